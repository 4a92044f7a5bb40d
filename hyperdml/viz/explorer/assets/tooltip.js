// What is under the pointer.

/** @param {number} node -1 for none @param {Point} [place] of the pointer on the stage */
function hover(node, place) {
  const box = byId("tooltip");
  if (node !== state.hovered) {
    state.hovered = node;
    stage.box.classList.toggle("over", node >= 0);
    changed("hover");
    box.hidden = node < 0;
    if (node >= 0) {
      const image = imageElement(node, 72), words = make("div");
      words.append(make("strong", "", nameOf(node)), factList(factsOf(node)));
      box.replaceChildren(...(image ? [image] : []), words);
    }
  }
  if (node >= 0 && place) {
    const right = place[0] + 18 + box.offsetWidth > view.width, below = place[1] + 18 + box.offsetHeight > view.height;
    box.style.left = `${Math.max(4, right ? place[0] - 14 - box.offsetWidth : place[0] + 18)}px`;
    box.style.top = `${Math.max(4, below ? place[1] - 14 - box.offsetHeight : place[1] + 18)}px`;
  }
}
