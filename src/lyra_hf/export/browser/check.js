// A classic script, because modules do not load from a file: says why the page cannot start where it cannot.
"use strict";
(function () {
  function tell(text) {
    var place = document.getElementById("trouble");
    place.textContent = text;
    place.hidden = false;
    document.documentElement.className = "stopped"; // what is of no use then is not shown
  }
  if (location.protocol === "file:") {
    tell("A browser runs this page only when a server gives it out. In a terminal, in the page's folder: " +
      "python -m http.server, then open http://localhost:8000.");
  } else if (typeof WebAssembly !== "object" || typeof WebAssembly.validate !== "function") {
    tell("This browser has no WebAssembly, in which the model runs, or it is switched off. A current Firefox, Chrome, " +
      "Safari or Edge has it.");
  } else if (typeof DecompressionStream !== "function") {
    tell("This browser is too old to unpack the model's runtime (it has no DecompressionStream). A current Firefox, " +
      "Chrome, Safari or Edge can.");
  }
})();
