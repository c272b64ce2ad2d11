// Where the messages stand on the screen: what is read stays where it is when others come above it, and who is at the
// end stays at the end.

const NEAR_END_PX = 80;

export class Scroll {
  constructor(scroller, list) {
    this.scroller = scroller;
    this.list = list;
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  get full() {
    return this.scroller.scrollHeight > this.scroller.clientHeight;
  }

  get bottom() {
    return this.scroller.getBoundingClientRect().bottom;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Runs `change`, which may add and remove rows, and keeps the first row in view where it was. */
  keeping(change) {
    const below = this.scroller.scrollHeight - this.scroller.scrollTop;
    const top = this.scroller.getBoundingClientRect().top;
    const anchor = [...this.list.children].find((row) => row.classList.contains("message") && row.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    else this.scroller.scrollTop = this.scroller.scrollHeight - below;
  }

  to(row) {
    row.scrollIntoView({ block: "center" });
    row.classList.add("target");
    setTimeout(() => row.classList.remove("target"), 2_000);
  }
}
