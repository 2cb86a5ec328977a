// What markup and style sheet cannot do: copy, search, walk through the heatmap, open what an address names.
// The page can be read without it.
(() => {
  "use strict"
  const all = (selector, from = document) => [...from.querySelectorAll(selector)]
  const byId = (id) => document.getElementById(id)
  const lower = (text) => text.toLowerCase()

  // --- commands ---------------------------------------------------------------------------------------------------
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      const area = document.createElement("textarea")
      area.value = text
      document.body.append(area)
      area.select()
      document.execCommand("copy")
      area.remove()
    }
  }
  const offer = (code) => {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "copy"
    button.textContent = "copy"
    button.setAttribute("aria-label", `copy: ${code.textContent}`)
    code.after(button)
  }
  all("code.command").filter((code) => !code.closest("tr.row")).forEach(offer)
  // Those of rows are folded: a button each when they are unfolded.
  document.addEventListener("toggle", ({ target }) => {
    if (target.open && target.closest?.("tr.row")) all("code.command:last-child", target).forEach(offer)
  }, true)
  document.addEventListener("click", async ({ target }) => {
    if (!target.matches?.("button.copy")) return
    await copy(target.previousElementSibling.textContent)
    target.textContent = "copied"
    setTimeout(() => { target.textContent = "copy" }, 1500)
  })

  // --- rows: search -----------------------------------------------------------------------------------------------
  const search = byId("search"), shown = byId("shown")
  const rows = all("#findings > tr")
  const index = byId("members") ? JSON.parse(byId("members").textContent) : null
  const membersOf = (row) => {
    const number = row.dataset.group
    return number === undefined || !index ? [] : index.groups[number].slice(1).map((at) => index.subjects[at])
  }
  let texts = null
  const textOf = (row) => lower(`${row.textContent} ${membersOf(row).join(" ")}`)
  const apply = () => {
    const words = lower(search.value).split(/\s+/).filter(Boolean)
    texts ??= rows.map(textOf)
    let visible = 0
    rows.forEach((row, at) => {
      const hit = words.every((word) => texts[at].includes(word))
      if (row.hidden === hit) row.hidden = !hit
      visible += hit
    })
    shown.textContent = words.length ? `${visible.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` : ""
  }
  let waiting = 0
  search?.addEventListener("input", () => {
    clearTimeout(waiting)
    waiting = setTimeout(apply, 80)
  })
  const find = (words) => {
    if (!search) return
    search.value = words
    apply()
    byId("rows").scrollIntoView()
  }

  // --- rows: all members of a group, once they are asked for ------------------------------------------------------
  document.addEventListener("toggle", ({ target }) => {
    const row = target.open && target.closest?.("tr.shape")
    const more = row && row.querySelector(".more")
    if (!more) return
    const listed = all("li:not(.more)", row).length
    more.replaceWith(...membersOf(row).slice(listed).map((name) => {
      const item = document.createElement("li")
      item.textContent = name
      return item
    }))
  }, true)

  // --- addresses: one finding, or a beginning of its name ---------------------------------------------------------
  const mark = (row) => {
    all("tr.found").forEach((one) => one.classList.remove("found"))
    row.classList.add("found")
    row.hidden = false
    row.scrollIntoView({ block: "center" })
  }
  const groupOf = (check, subject) => {
    const at = index ? index.subjects.indexOf(subject) : -1
    const number = at < 0 ? -1 : index.groups.findIndex(([name, ...members]) => name === check && members.includes(at))
    return number < 0 ? null : rows.find((row) => row.dataset.group === String(number))
  }
  const go = () => {
    const hash = location.hash.slice(1)
    if (!hash) return
    const named = byId(hash) ?? byId(decodeURI(hash))
    if (named) {
      if (named.matches("tr.row")) mark(named)
      return
    }
    const [check, ...rest] = decodeURIComponent(hash).split("/")
    if (check === "in") return find(rest.join(" "))
    const row = groupOf(check, rest.join("/"))
    if (row) {
      mark(row)
      find([check, rest.join("/")].join(" "))
    } else if (rows.some((one) => one.id.startsWith(hash))) find([check, ...rest].join(" "))
  }
  window.addEventListener("hashchange", go)
  window.addEventListener("DOMContentLoaded", go)

  // --- heatmap: one stop for Tab, arrows inside, Enter shows the rows ---------------------------------------------
  const heat = byId("heat")
  if (heat) {
    const lines = all("tbody tr", heat)
    const regions = all("thead th", heat).slice(1).map((head) => head.textContent)
    const place = (cell) => [lines.indexOf(cell.parentElement), cell.cellIndex - 1]
    const label = (cell) => {
      const [line, column] = place(cell)
      const word = cell.querySelector("i").textContent, number = cell.lastChild.nodeType === 3 ? cell.lastChild.data : "0"
      const account = lines[line].firstElementChild.textContent
      cell.setAttribute("aria-label", `${account}, ${regions[column]}: ${word}, ${number} open`)
      cell.title = cell.getAttribute("aria-label")
    }
    heat.setAttribute("role", "grid")
    let current = heat.querySelector("tbody td")
    if (current) current.tabIndex = 0
    const move = (cell) => {
      current.tabIndex = -1
      current = cell
      current.tabIndex = 0
      label(current)
      current.focus()
    }
    const at = (line, column) =>
      lines[Math.min(Math.max(line, 0), lines.length - 1)].cells[Math.min(Math.max(column, 0), regions.length - 1) + 1]
    const open = (cell) => {
      const [line, column] = place(cell)
      find(`${lines[line].dataset.account} ${regions[column]}`)
    }
    heat.addEventListener("focusin", ({ target }) => target.matches("td") && label(target))
    heat.addEventListener("mouseover", ({ target }) => target.matches("td") && !target.title && label(target))
    heat.addEventListener("click", ({ target }) => {
      const cell = target.closest("td")
      if (cell) open(cell)
    })
    heat.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td")
      if (!cell) return
      const [line, column] = place(cell)
      const next = {
        ArrowUp: [line - 1, column], ArrowDown: [line + 1, column],
        ArrowLeft: [line, column - 1], ArrowRight: [line, column + 1],
        Home: [line, 0], End: [line, regions.length], PageUp: [line - 10, column], PageDown: [line + 10, column],
      }[event.key]
      if (next) move(at(...next))
      else if (event.key === "Enter" || event.key === " ") open(cell)
      else return
      event.preventDefault()
    })
  }

  // --- print: everything that is folded is shown ------------------------------------------------------------------
  let folded = []
  window.addEventListener("beforeprint", () => {
    const few = all("#act details:not([open])").filter((one) => one.querySelectorAll("tr").length < 60) // four pages
    folded = [...few, ...all("details.part:not([open]), #changes details:not([open])")]
    folded.forEach((one) => { one.open = true })
  })
  window.addEventListener("afterprint", () => folded.forEach((one) => { one.open = false }))
})()
