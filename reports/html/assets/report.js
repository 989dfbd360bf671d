// The page's own behaviour: draws the charts from the embedded JSON, colours them from the page's CSS variables,
// and wires the zoom buttons, the cohort buttons, the event filter and the copy button. Nothing here asks a network.
"use strict"

const byId = (id) => document.getElementById(id)

function colour(models) {
  // Tags such as "line_color=c0" name the CSS variable that holds a property's colour, in light and in dark.
  const style = getComputedStyle(document.documentElement)
  for (const model of models) {
    for (const tag of model.tags ?? []) {
      const [property, variable] = String(tag).split("=")
      if (variable !== undefined) {
        model[property] = style.getPropertyValue(`--${variable}`).trim()
      }
    }
  }
}

function fitNames(models) {
  // A name tagged "needs-px:N" is shown only where its chart is at least so wide, and narrow axes get fewer times.
  const width = byId("chart-lanes").clientWidth - 72
  for (const model of models) {
    const need = (model.tags ?? []).find((tag) => String(tag).startsWith("needs-px:"))
    if (need !== undefined) {
      model.visible = width >= Number(need.slice(9))
    }
    if (model.type === "DatetimeTicker") {
      model.desired_num_ticks = width < 420 ? 3 : 7
    }
  }
}

function wireZoom(range, data) {
  const whole = [data.start, data.end]
  const set = (start, end) => {
    const width = Math.min(end - start, whole[1] - whole[0])
    const from = Math.min(Math.max(start, whole[0]), whole[1] - width)
    range.setv({start: from, end: from + width})
  }
  const scale = (factor) => {
    const middle = (range.start + range.end) / 2
    const half = ((range.end - range.start) / 2) * factor
    set(middle - half, middle + half)
  }
  const shift = (share) => {
    const by = (range.end - range.start) * share
    set(range.start + by, range.end + by)
  }
  const impact = () => {
    const margin = (data.impact[1] - data.impact[0]) * 0.06
    set(data.impact[0] - margin, data.impact[1] + margin)
  }
  const acts = {
    whole: () => set(...whole), impact, in: () => scale(0.5), out: () => scale(2),
    earlier: () => shift(-0.4), later: () => shift(0.4),
  }
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", acts[button.dataset.zoom])
  }
  for (const chart of document.querySelectorAll(".chart")) {
    chart.addEventListener("dblclick", acts.whole)
  }
}

function wireCohorts(models) {
  for (const button of document.querySelectorAll("[data-cohort]")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true"
      button.setAttribute("aria-pressed", String(shown))
      for (const model of models) {
        if ((model.tags ?? []).includes(`cohort:${button.dataset.cohort}`)) {
          model.visible = shown
        }
      }
    })
  }
}

async function drawCharts() {
  const holder = byId("chart-data")
  if (holder === null) {
    return
  }
  const data = JSON.parse(holder.textContent)
  const roots = data.elements
  const item = {docid: "run", roots, root_ids: Object.keys(roots)}
  await Bokeh.embed.embed_items({run: data.document}, [item])
  const drawn = Bokeh.documents.at(-1)
  const models = [...drawn._all_models.values()]
  const paint = () => colour(models)
  paint()
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint)
  const fit = () => fitNames(models)
  fit()
  addEventListener("resize", fit)
  if (matchMedia("(pointer: coarse)").matches) {
    // A finger on a chart scrolls the page; the buttons zoom.
    for (const model of models) {
      if (model.type === "Toolbar") {
        model.active_drag = null
      }
    }
  }
  wireZoom(models.find((model) => model.name === "time"), data)
  wireCohorts(models)
}

function wireEvents() {
  const text = byId("event-text")
  if (text === null) {
    return
  }
  const kind = byId("event-kind")
  const rows = [...document.querySelectorAll(".events tbody tr")]
  const filter = () => {
    const wanted = text.value.toLowerCase()
    let shown = 0
    for (const row of rows) {
      const fits = (!kind.value || row.cells[1].textContent === kind.value) && row.textContent.toLowerCase().includes(wanted)
      row.hidden = !fits
      shown += fits ? 1 : 0
    }
    byId("event-count").textContent = `${shown} of ${rows.length}`
  }
  text.addEventListener("input", filter)
  kind.addEventListener("change", filter)
  filter()
}

function wireCopy() {
  const button = byId("copy")
  button?.addEventListener("click", () => {
    const selection = getSelection()
    selection.selectAllChildren(byId("command"))
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected"
  })
}

wireEvents()
wireCopy()
drawCharts()
