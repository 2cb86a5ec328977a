// Texts on the page whose contrast with the ground below them is under 4.5 to 1 (WCAG 2.2, 1.4.3); hatched grounds and
// what is hidden are left out.
() => {
  const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number)
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at)
      if (style.backgroundImage !== "none") return null
      const colour = parse(style.backgroundColor)
      if (colour.length === 3 || colour[3] > 0) return colour
    }
    return [255, 255, 255]
  }
  const bad = new Set()
  for (const element of document.querySelectorAll(".summary *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
    const marked = element.matches(".cell")
    if ((!own && !marked) || !element.checkVisibility() || element.matches("style, script, .cell i, caption")) continue
    const below = ground(element)
    if (!below) continue
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(below)].sort((a, b) => b - a)
    const ratio = (one + 0.05) / (other + 0.05)
    if (ratio < 4.5) bad.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`)
  }
  return [...bad].sort()
}
