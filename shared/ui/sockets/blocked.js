// Report that no WebSocket gets through, although the server answers.
import { eachSocket } from "./tracked_socket.js";

const notice = document.createElement("p");
notice.className = "warning";
notice.setAttribute("role", "alert");
notice.textContent =
  "The server answers, but this page’s WebSocket does not get through. A " +
  "proxy in between may drop its Upgrade header, or the room is full.";

/** Show the notice until a socket opens. */
export function showBlocked() {
  document.getElementById("main")?.append(notice);
}

eachSocket((socket) =>
  socket.addEventListener("open", () => notice.remove()),
);
