// Says so while the server answers, but no WebSocket gets through to it.
import { running } from "./build.js";
import { eachSocket } from "./sockets.js";

const PATIENCE = 5000;
const MIN_FAILURES = 3;

const notice = document.createElement("p");
notice.className = "noscript";
notice.setAttribute("role", "alert");
notice.textContent =
  "The server answers, but this page’s WebSocket does not get through. A " +
  "proxy in between may drop its Upgrade header, or the room is full.";

let failures = 0;
let timer = 0;

function reset() {
  clearTimeout(timer);
  failures = timer = 0;
  notice.remove();
}

async function tell() {
  const answers = await running();
  if (answers && failures >= MIN_FAILURES) {
    document.getElementById("main")?.append(notice);
  } else if (failures) {
    timer = setTimeout(tell, PATIENCE);
  }
}

eachSocket((socket) => {
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    reset();
  });
  socket.addEventListener("close", () => {
    if (opened) return;
    failures += 1;
    timer ||= setTimeout(tell, PATIENCE);
  });
});
