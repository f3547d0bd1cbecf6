// A click on the lanes picks a moment; the moment is told and asked for in the reader's own zone.
"use strict";

{
  const board = document.getElementById("timeline");
  const field = document.getElementById("at");
  const first = Date.parse(board.dataset.first);
  const last = Date.parse(board.dataset.last);

  function go(at) {
    const address = new URL(location.href);
    address.searchParams.set("at", new Date(Math.round(at / 1000) * 1000).toISOString().replace(".000", ""));
    location.assign(address);
  }

  board.classList.add("picks");
  board.addEventListener("click", (event) => {
    const track = event.target.closest(".track");
    if (!track || event.target.closest("a")) return;
    const box = track.getBoundingClientRect();
    go(first + (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * (last - first));
  });

  const shown = new Date(field.dataset.at);
  const local = new Date(shown.getTime() - shown.getTimezoneOffset() * 60000);
  field.value = local.toISOString().slice(0, 19);
  document.querySelector(".pick .zone").remove();
  field.form.addEventListener("submit", (event) => {
    const at = new Date(field.value);
    if (Number.isNaN(at.getTime())) return;
    event.preventDefault();
    go(at.getTime());
  });
}
