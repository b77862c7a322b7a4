// The live stream: joined by itself again and again, and honest about being away.

const SILENCE = 12000; // the gateway speaks at least every 5 s

export class Live {
  /** `onView(view)` gets snapshots and changes, `onState(state, retryAt)` gets "live", "away" or "locked". */
  constructor(onView, onState) {
    this.onView = onView;
    this.onState = onState;
    this.tries = 0;
    this.socket = null;
    this.watch = null;
    addEventListener("online", () => this.soon());
    document.addEventListener("visibilitychange", () => document.hidden || this.soon());
  }

  join() {
    clearTimeout(this.timer);
    if (this.socket) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/v1/live`);
    this.socket = socket;
    this.listen(socket);
    socket.addEventListener("message", (event) => {
      this.tries = 0;
      this.listen(socket);
      this.onState("live");
      this.onView(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => this.lost(socket));
  }

  /** Try again without waiting, if we are waiting. */
  soon() {
    if (!this.socket) this.join();
  }

  listen(socket) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => {
      socket.close();
      this.lost(socket);
    }, SILENCE);
  }

  async lost(socket) {
    if (this.socket !== socket) return;
    clearTimeout(this.watch);
    this.socket = null;
    this.tries += 1;
    const ceiling = Math.min(10000, 400 * 2 ** Math.min(this.tries, 8));
    const delay = ceiling / 2 + (Math.random() * ceiling) / 2;
    this.timer = setTimeout(() => this.join(), delay);
    this.onState("away", Date.now() + delay);
    // A refused handshake does not say why; an ordinary request does.
    const answer = await fetch("/api/v1/cloud").catch(() => null);
    if (answer?.status === 401) {
      clearTimeout(this.timer);
      this.onState("locked");
    }
  }
}
