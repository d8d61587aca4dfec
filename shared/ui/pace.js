// How fast a page sends: some frames at once, then one after each pause.

/** Frames that may go without a pause. */
const AT_ONCE = 10;

/** Milliseconds: the server takes more than that, unless it is told not to. */
const PAUSE = 200;

export class Pace {
  /** @param {() => void} onMore what to do when more may go */
  constructor(onMore) {
    this.onMore = onMore;
    this.left = AT_ONCE;
    this.timer = 0;
  }

  take() {
    this.left -= 1;
    this.timer ||= setInterval(() => this.refill(), PAUSE);
  }

  refill() {
    this.left += 1;
    if (this.left === AT_ONCE) this.reset();
    this.onMore();
  }

  /** Begin again, as on a new connection. */
  reset() {
    this.left = AT_ONCE;
    clearInterval(this.timer);
    this.timer = 0;
  }
}
