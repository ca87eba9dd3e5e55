const chips = [...document.querySelectorAll(".chip input")];
const search = document.querySelector("input[type=search]");
const sections = [...document.querySelectorAll("section")].map((section) => ({
  section,
  cases: [...section.querySelectorAll("details")].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
    verdict: element.className,
  })),
}));

function filter() {
  const shown = new Set(chips.filter((chip) => chip.checked).map((chip) => chip.value));
  const words = search.value.toLowerCase().split(/\s+/);
  for (const { section, cases } of sections) {
    let any = false;
    for (const { element, text, verdict } of cases) {
      element.hidden = !(shown.has(verdict) && words.every((word) => text.includes(word)));
      any ||= !element.hidden;
    }
    section.hidden = !any;
  }
}

function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.localName === "details") target.open = true;
}

for (const chip of chips) chip.addEventListener("change", filter);
search.addEventListener("input", filter);
addEventListener("hashchange", open);
open();
filter();
