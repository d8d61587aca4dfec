// Everybody else's cursors, with their flags and names.
import { html } from "htm/preact";
import { Cursor } from "shared/chat/cursor.js";
import { useCursors } from "./cursors.js";

export function OtherCursors({ room }) {
  const cursors = useCursors(room.slug);

  return html`
    <div class="cursors" aria-hidden="true">
      ${cursors.map(
        ([id, { presence, country, info }]) => html`
          <${Cursor}
            key=${id}
            id=${id}
            at=${presence.cursor}
            country=${country}
            name=${info.name}
          />
        `,
      )}
    </div>
  `;
}
