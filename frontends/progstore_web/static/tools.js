// Ctrl+Enter, or Cmd+Enter, asks the question.
"use strict";

document.getElementById("q")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
});
