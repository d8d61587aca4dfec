// Token usage: one big number.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { usePartySocket } from "partysocket/react";
import { mount } from "shared/pages/mount.js";
import { Tally } from "shared/pages/tally.js";
import { socketOptions } from "shared/sockets/socket_options.js";

function Usage() {
  const [tally, setTally] = useState(0);
  usePartySocket({
    ...socketOptions,
    party: "usage",
    room: "total",
    onMessage: (event) => setTally(JSON.parse(event.data).tally),
  });

  return html`<${Tally} tally=${tally} />`;
}

mount(Usage);
