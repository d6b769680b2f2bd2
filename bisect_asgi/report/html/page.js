/* For comfort: a page can be read without it. */
function addButtons() {
  if (!navigator.clipboard) return;
  for (const box of document.querySelectorAll(".command")) {
    if (box.querySelector(".copy")) continue;
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = "Copied";
    });
    box.prepend(button);
  }
}
addButtons();
