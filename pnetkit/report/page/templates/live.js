"use strict";
const box = document.getElementById("reloads");
box.closest("p").hidden = false;
box.checked = location.hash !== "#still";
box.addEventListener("change", () => { location.hash = box.checked ? "" : "still"; });
setInterval(() => { if (box.checked) location.reload(); }, 1000 * box.dataset.seconds);
