// The beginning.

function start() {
  model = read(JSON.parse(byId("data").textContent));
  byId("data").remove(); // the text is not needed any more
  byId("count").textContent = [
    counted(model.N, "image"), model.M > model.N ? counted(model.M - model.N, "inner node") : "", model.P ? counted(model.P, "proxy", "proxies") : "",
  ].filter(Boolean).join(", ");
  for (const note of model.notes ?? []) byId("notes").append(make("p", "soft", note));
  readLook();
  openStage();
  openControls();
  refreshLooks();
  openDetails();
  openPath();
  openLegend();
  openSearchBox();
  openPointer();
  openKeyboard();
  showFigures();
  setTheme("");
  resize();
  const images = loadImages(() => {
    shownPath = "";
    showPath();
    showDetails();
    drawSoon("scene");
  });
  window.hyperdml = Object.freeze({
    geometry: { apply, compose, inverse, translation, carrying, rotation, distance, between, arc },
    model, state, stats, view, images, layer, edging,
    nodeAt, nodeName: nameOf, shown: isShown, neighbours: neighboursOf, thumbnails: () => shownImages, svg: svgText, select, home: goHome, centre: centreNode,
    /** Whether all that can be seen is drawn and nothing moves. */
    idle: () => !state.moving && !motion.running && !stage.asked && edging.done,
  });
}

try {
  start();
} catch (error) {
  const box = make("p", "", `This page cannot be shown: ${error.message}`);
  box.setAttribute("role", "alert");
  document.body.prepend(box);
  throw error;
}
