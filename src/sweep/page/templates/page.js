(() => {
  "use strict";
  const root = document.documentElement;
  const { specs, configs } = JSON.parse(document.getElementById("charts").textContent);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".plot")];
  const views = new Map();
  const ERRORS_ONLY = 1; // of the levels of Vega, whose warnings are for authors of charts
  let drawing = 0;

  const theme = () => root.dataset.theme || (system.matches ? "dark" : "light");
  const announce = (text) => { document.getElementById("announced").textContent = text; };

  // Everything from here to the drawn chart is microtasks, so that charts are ready when printing begins.
  // Vega gives the element that it draws into a role of its own, so the one inside.
  async function draw(plot, wanted) {
    if (plot.dataset.drawn === wanted) return;
    plot.dataset.drawn = wanted;
    const controls = plot.nextElementSibling;
    const selected = [...controls.querySelectorAll("select")].map((each) => each.value);
    const options = {
      mode: "vega-lite", renderer: "svg", actions: false, config: configs[wanted],
      tooltip: { disableDefaultStyle: true }, logLevel: ERRORS_ONLY, bind: `#${controls.id}`,
    };
    controls.replaceChildren();
    try {
      const result = await vegaEmbed(plot.firstElementChild, specs[plot.dataset.chart], options);
      if (plot.dataset.drawn !== wanted) return result.finalize();
      views.get(plot)?.finalize();
      views.set(plot, result);
      controls.querySelectorAll("select").forEach((each, place) => {
        if (selected[place] === undefined) return;
        each.value = selected[place];
        each.dispatchEvent(new Event("change"));
      });
    } catch (error) {
      plot.firstElementChild.textContent = "This chart could not be drawn; its figures are in the table below.";
      console.error(plot.dataset.chart, error);
    }
  }

  async function drawAll() {
    const turn = ++drawing;
    root.dataset.charts = "drawing";
    const wanted = theme();
    for (const plot of inOrder()) {
      await draw(plot, wanted);
      await new Promise((resume) => setTimeout(resume)); // the page stays usable meanwhile
      if (turn !== drawing) return;
    }
    root.dataset.charts = "drawn";
  }

  // What is in sight first; what is folded has no width yet, and is drawn when it is unfolded.
  function inOrder() {
    const distance = (plot) => Math.max(0, plot.getBoundingClientRect().top - innerHeight, -plot.getBoundingClientRect().bottom);
    return plots.filter((plot) => !plot.closest("details:not([open])")).map((plot) => [distance(plot), plot]).sort((a, b) => a[0] - b[0]).map(([, plot]) => plot);
  }

  function keepTheme(chosen) {
    const follows = chosen === (system.matches ? "dark" : "light");
    if (follows) delete root.dataset.theme;
    else root.dataset.theme = chosen;
    try {
      if (follows) localStorage.removeItem("sweep-theme");
      else localStorage.setItem("sweep-theme", chosen);
    } catch { /* a page in a sandbox has no storage */ }
  }

  const button = document.getElementById("theme");
  function nameButton() {
    const other = theme() === "dark" ? "light" : "dark";
    button.querySelector(".label").textContent = other === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Show in ${other} colours`);
  }
  function changeTheme() {
    nameButton();
    drawAll();
  }
  button.addEventListener("click", () => {
    keepTheme(theme() === "dark" ? "light" : "dark");
    changeTheme();
    announce(`Shown in ${theme()} colours`);
  });
  system.addEventListener("change", changeTheme);
  button.hidden = false;
  nameButton();

  document.querySelectorAll("details.more").forEach((more) => more.addEventListener("toggle", drawAll));

  // Printed is what is unfolded.
  addEventListener("beforeprint", () => { drawing++; inOrder().forEach((plot) => draw(plot, "light")); });
  addEventListener("afterprint", drawAll);

  // Only a table that can be scrolled is a stop for the keyboard.
  const sized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      if (scrolls) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((each) => sized.observe(each));

  for (const copy of document.querySelectorAll(".copy")) {
    copy.hidden = false;
    const words = copy.innerHTML;
    copy.addEventListener("click", async () => {
      const source = document.getElementById(copy.dataset.copies);
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        getSelection().selectAllChildren(source);
        document.execCommand("copy");
      }
      copy.textContent = "Copied";
      announce("Copied");
      setTimeout(() => { copy.innerHTML = words; }, 2000);
    });
  }

  // The section that is being read, in the table of contents.
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main section[id]").forEach((section) => watcher.observe(section));

  drawAll();
})();
