// Before anything is drawn: a theme that was chosen before, so that the page does not flash in the other one.
try {
  const chosen = localStorage.getItem("sweep-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* a page in a sandbox has no storage: it follows the system */ }
