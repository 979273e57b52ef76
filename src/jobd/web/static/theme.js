// Light or dark as it was chosen, and that there are scripts, before anything is drawn.
"use strict";
document.documentElement.classList.add("js"); // what only scripts can fill is shown
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* a browser that keeps nothing: as the system has it */ }
