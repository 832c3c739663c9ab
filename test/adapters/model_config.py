"""Reads configurations with Google's implementation of Protocol Buffers.

stdin: {"root": MESSAGE, "messages": {NAME: FIELDS}, "enums": {NAME: VALUES}, "texts": [...], "jsons": [...]}, the types as
functions/adapters/model-config-schema.ts has them. stdout: {"texts": [...], "jsons": [...]}, each the value, or null for what
is refused.
"""

import json
import math
import re
import sys

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    text_format,
)
from google.protobuf.message import Message

FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    name: getattr(FIELD, f"TYPE_{name.upper()}")
    for name in ("bool", "string", "int32", "uint32", "int64", "uint64", "float", "double")
}


def message_class(types: dict, **syntax: object) -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="types.proto", package="types", **syntax)
    for name, values in types["enums"].items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enum.value.add(name=value, number=number)
    for name, fields in types["messages"].items():
        message = file.message_type.add(name=name)
        for number, entry in enumerate(fields.split(), start=1):
            field, kind, mark = re.fullmatch(r"(\w+):(\w+)(\*|\{\}|)", entry).groups()
            if mark == "{}":
                nested = message.nested_type.add(name=f"{field.title().replace('_', '')}Entry")
                nested.options.map_entry = True
                add_field(nested, types, "key", 1, "string")
                add_field(nested, types, "value", 2, kind)
                kind = f"{name}.{nested.name}"
            add_field(message, types, field, number, kind, is_repeated=mark != "")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"types.{types['root']}"))


def add_field(message, types: dict, name: str, number: int, kind: str, is_repeated=False) -> None:
    field = message.field.add(name=name, number=number)
    field.label = FIELD.LABEL_REPEATED if is_repeated else FIELD.LABEL_OPTIONAL
    if kind in SCALARS:
        field.type = SCALARS[kind]
    else:
        field.type = FIELD.TYPE_ENUM if kind in types["enums"] else FIELD.TYPE_MESSAGE
        field.type_name = f".types.{kind}"


def plain(message: Message) -> dict:
    """The fields that are set, as functions/adapters/model-config-text.ts gives them."""
    values = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            values[field.name] = {key: plain_value(inner, value[key]) for key in value}
        elif field.is_repeated:
            values[field.name] = [plain_value(field, item) for item in value]
        else:
            values[field.name] = plain_value(field, value)
    return values


def plain_value(field, value: object) -> object:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def answer(read, text: str, message: Message) -> dict | None:
    try:
        return plain(read(text, message))
    # ValueError: the number of an enum that does not fit.
    except (text_format.ParseError, json_format.ParseError, ValueError):
        return None


def main() -> None:
    request = json.load(sys.stdin)
    # Text tells a field that is set to its default from one that is not; JSON, like proto3, does not.
    explicit = message_class(request, syntax="editions", edition=descriptor_pb2.EDITION_2023)
    implicit = message_class(request, syntax="proto3")
    json.dump(
        {
            "texts": [answer(text_format.Parse, text, explicit()) for text in request["texts"]],
            "jsons": [answer(json_format.Parse, text, implicit()) for text in request["jsons"]],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
