"""Results for other programs and other pages: JSON lines, CSV, OCSF, ASFF, Markdown."""
