(function () {
  "use strict";
  var box = document.getElementById("detail"), lit = null;
  function place(x, y) {
    var width = box.offsetWidth, height = box.offsetHeight;
    box.style.left = Math.max(8, Math.min(x + 14, window.innerWidth - width - 8)) + "px";
    box.style.top = (y + height + 24 > window.innerHeight ? Math.max(8, y - height - 14) : y + 14) + "px";
  }
  function hide() {
    if (lit) { lit.classList.remove("on"); }
    lit = null;
    box.hidden = true;
  }
  function show(mark, x, y) {
    hide();
    lit = mark;
    mark.classList.add("on");
    box.textContent = mark.getAttribute("data-detail");
    box.hidden = false;
    place(x, y);
  }
  // The nearest mark within reach, so that small marks can be hit with a finger.
  function nearest(svg, x, y, reach) {
    var best = null;
    svg.querySelectorAll(".mark").forEach(function (mark) {
      var r = mark.getBoundingClientRect(), d = Math.hypot(r.left + r.width / 2 - x, r.top + r.height / 2 - y);
      if (d <= reach) { reach = d; best = mark; }
    });
    return best;
  }
  document.querySelectorAll(".mark > title").forEach(function (title) { title.remove(); });
  document.querySelectorAll("figure svg").forEach(function (svg) {
    if (!svg.querySelector(".mark")) { return; }
    function react(event) {
      var mark = nearest(svg, event.clientX, event.clientY, event.pointerType === "touch" ? 28 : 14);
      if (mark) { show(mark, event.clientX, event.clientY); } else { hide(); }
    }
    svg.addEventListener("pointermove", react);
    svg.addEventListener("pointerdown", react);
    svg.addEventListener("pointerleave", function (event) { if (event.pointerType !== "touch") { hide(); } });
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") { hide(); } });
  window.addEventListener("scroll", hide, { passive: true });

  function key(row, column) {
    var cell = row.children[column], data = cell.querySelector("data");
    return data ? parseFloat(data.value) : cell.textContent.trim();
  }
  function compare(a, b) {
    if (typeof a === typeof b) { return typeof a === "number" ? a - b : a.localeCompare(b); }
    return typeof a === "number" ? -1 : 1;
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.from(body.rows)
          .sort(function (a, b) { return (down ? -1 : 1) * compare(key(a, column), key(b, column)); })
          .forEach(function (row) { body.appendChild(row); });
      });
    });
  });
})();
