/* Take in what the running command sends, and change only what is new: what is unfolded, focused, selected or
   scrolled to stays so. Parts of the page are told apart by their headings, rows by their first cells. */
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  const own = node.id || node.getAttribute("href");
  if (own) return own;
  const naming = node.nodeName === "TR" ? ["TD", "TH"] : ["H1", "H2", "H3", "SUMMARY"];
  const name = [...node.children].find((child) => naming.includes(child.nodeName));
  return name ? name.textContent : "";
}

function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  renewChildren(old, fresh);
}

function renewChildren(old, fresh) {
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const isSame = (node) => node.nodeName === next.nodeName && keyOf(node) === key;
    let same = at;
    while (key && same && !isSame(same)) same = same.nextSibling;
    if (same && !isSame(same)) same = null; // Without a name it is only compared with what stands here.
    if (!same) {
      old.insertBefore(document.importNode(next, true), at);
      continue;
    }
    while (at !== same) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    renew(same, next);
    at = same.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const told = document.getElementById("told");
const news = new EventSource(location.pathname + "?news");
const read = (event) => new DOMParser().parseFromString(JSON.parse(event.data), "text/html");

news.addEventListener("page", (event) => {
  const fresh = read(event);
  document.title = fresh.title;
  renew(document.querySelector("main"), fresh.querySelector("main"));
  const [old, footer] = [document, fresh].map((each) => each.querySelector("footer"));
  if (old && footer) renew(old, footer);
  else if (footer) document.querySelector("main").after(document.importNode(footer, true));
  addButtons();
});
news.addEventListener("progress", (event) => {
  told.textContent = "";
  renewChildren(document.getElementById("strip"), read(event).body);
});
news.addEventListener("ended", (event) => {
  news.close();
  told.textContent = JSON.parse(event.data);
});
news.addEventListener("error", () => {
  told.textContent = news.readyState === EventSource.CLOSED
    ? "The command does not answer any more. This page keeps what it shows."
    : "No connection to the command; trying again.";
});
