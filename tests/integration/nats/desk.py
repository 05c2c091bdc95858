"""An order desk: uses the domain `orders` from end to end with NATS alone. python.rs starts it with the server's address."""

import asyncio
import json
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def main(url):
    client = await nats.connect(url)

    async def send(order, command, payload={}, **headers):
        subject = f"main.cmd.orders.order.{order}.{command}"
        answer = await client.request(subject, json.dumps(payload).encode(), timeout=10, headers=headers or None)
        error = (answer.headers or {}).get("Nats-Service-Error-Code")
        return error, json.loads(answer.data)

    # Commands, one after the other.
    error, ack = await send("o-1", "draft-order", {"customer": "ann"}, **{"Idempotency-Key": "call-1", "Actor": "desk"})
    assert (error, ack["status"], ack["sequence"]) == (None, "accepted", 1), ack
    error, again = await send("o-1", "draft-order", {"customer": "ann"}, **{"Idempotency-Key": "call-1"})
    assert again["repeated"] and again["position"] == ack["position"], again
    await send("o-1", "add-line", {"sku": "TEA", "quantity": 2, "price": 100})
    error, ack = await send("o-1", "submit-order")
    assert (ack["status"], ack["position"]) == ("accepted", 3), ack

    # A refusal by the domain is an acknowledgement; a request that the host cannot use is an error.
    error, ack = await send("o-1", "submit-order")
    assert error is None and ack["status"] == "rejected" and ack["reason"]["code"], ack
    error, problem = await send("o-1", "sell-order")
    assert error == "404" and problem["type"] == "urn:polder:problem:unknown-command", problem

    # Many commands at a time.
    acks = await asyncio.gather(*(send(f"p-{number}", "draft-order", {"customer": "bob"}) for number in range(200)))
    assert all(ack["status"] == "accepted" for _, ack in acks)

    # A view, answered directly and on its result subject. After the last event, both answers have the same position.
    question = json.dumps({"key": "o-1", "after": 203}).encode()
    answer = await client.request("main.query.orders.order-summary", question, timeout=10, headers={"Polder-Result": "reply"})
    straight = json.loads(answer.data)
    results = await client.subscribe("main.result.desk-7")
    answer = await client.request(
        "main.query.orders.order-summary", question, timeout=10, headers={"Correlation-Id": "desk-7"}
    )
    assert json.loads(answer.data)["result_subject"] == "main.result.desk-7", answer.data
    assert json.loads((await results.next_msg(timeout=10)).data) == straight

    # Every event, in order, each once; then from the middle on, for a reader that knows its position.
    jetstream = client.jetstream()
    events = await jetstream.subscribe("main.orders.>", ordered_consumer=True, stream="polder-events-main")
    for position in range(1, 204):
        event = await events.next_msg(timeout=30)
        assert event.headers["Polder-Position"] == str(position), event.headers
        if position == 1:
            assert event.subject == "main.orders.order.order-drafted.v1", event.subject
            assert event.headers["Actor"] == "desk" and json.loads(event.data)["customer"] == "ann", event
    config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=3)
    events = await jetstream.subscribe("main.orders.>", ordered_consumer=True, stream="polder-events-main", config=config)
    assert (await events.next_msg(timeout=10)).subject == "main.orders.order.order-submitted.v1"

    # The same events for a reader without a stream, between two positions that it chooses.
    catchup = await client.subscribe("main.result.desk-8")
    asked = json.dumps({"start_after": 100, "end_at": 203}).encode()
    answer = await client.request("main.catchup", asked, timeout=10, headers={"Correlation-Id": "desk-8"})
    assert json.loads(answer.data)["status"] == "accepted", answer.data
    positions = []
    async for message in catchup.messages:
        if message.headers.get("Polder-Catchup") == "end":
            break
        positions.append(json.loads(message.data)["position"])
        if message.reply:
            await message.respond(b"")
    assert positions == list(range(101, 204)), positions

    info = json.loads((await client.request("$SRV.INFO.polder", timeout=10)).data)
    assert [endpoint["name"] for endpoint in info["endpoints"]] == ["commands", "batches", "queries", "catchups"], info
    await client.close()
    print("203 events")


asyncio.run(main(sys.argv[1]))
