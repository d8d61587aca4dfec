// The published client, outside of a browser: prints what it hears, one line
// of base64 each, until the end. Give it a host, a party, a room and an id.
import { PartySocket } from "../../node_modules/partysocket/dist/index.js";

const [host, party, room, id] = process.argv.slice(2);
const socket = new PartySocket({ host, party, room, id, protocol: "ws" });
socket.binaryType = "arraybuffer";
socket.addEventListener("open", () => console.log(socket.extensions));
socket.addEventListener("message", ({ data }) => {
  console.log(Buffer.from(data).toString("base64"));
  if (data === "end") socket.close();
});
