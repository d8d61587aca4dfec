// A chat room: the list of messages is in state.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { usePartySocket } from "partysocket/react";
import { ConnectionStatus } from "shared/chat/connection_status.js";
import { MessageForm } from "shared/chat/message_form.js";
import { send } from "shared/delivery/sender.js";
import { MessageList } from "shared/messages/message_list.js";
import { add, receive } from "shared/messages/messages.js";
import { mount } from "shared/pages/mount.js";
import { socketOptions } from "shared/sockets/socket_options.js";

function Room({ room }) {
  const [messages, setMessages] = useState([]);
  const socket = usePartySocket({
    ...socketOptions,
    party: "chatroom",
    room: room.slug,
    onMessage: (event) =>
      setMessages((messages) => receive(messages, event.data)),
  });

  function addMessage(message) {
    send(socket, message);
    setMessages((messages) => add(messages, message));
  }

  return html`
    <${MessageList} messages=${messages} />
    <${MessageForm} addMessage=${addMessage} />
    <${ConnectionStatus} socket=${socket} />
  `;
}

mount(Room);
