"""Reads the one pickle that the original's checkpoints hold, and can do nothing else.

This is no front end to Python's unpickler but an interpreter of its own, because an unpickler with a
restricted `find_class` still lets a file hash nested tuples for ever or ask for a memo of 32 GB. Here no
object of the file is ever called, imported or hashed: globals are looked up by name in a table of inert
stand-ins, keys of dicts are strings or integers, and all sizes are bounded by the size of the file.

Python's opcodes are described in the standard library's `pickletools`.
"""

from __future__ import annotations

import struct
from typing import Any

from spivae.checkpoint.pickle_values import Global, build, find_global, persistent_load, refused
from spivae.errors import SpivaeError

# far above the 700 entries and 1 kB of arrays in a real file
MAX_MEMO = 1_000_000
MAX_DECODED = 64 * 2**20


def loads(data: bytes) -> Any:
    """The object that a pickle describes, made of dicts, lists, tuples, plain values, and the
    descriptions in `pickle_values` (Tensor, Storage, arrays) in place of all else.

    Raises SpivaeError for a pickle that is damaged or asks for anything else; a global is named.
    """
    try:
        return _run(data)
    except (
        IndexError,
        KeyError,
        struct.error,
        UnicodeError,
        ValueError,
        OverflowError,
        MemoryError,
    ) as error:
        raise SpivaeError(f"its pickle is damaged ({type(error).__name__})") from None


def _run(data: bytes) -> Any:  # one branch an opcode, the frequent ones first
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    budget = MAX_DECODED
    uint32 = struct.Struct("<I").unpack_from
    i = 0

    while True:
        op = data[i]
        i += 1
        if op == 0x72:  # LONG_BINPUT
            index = uint32(data, i)[0]
            if index > MAX_MEMO:
                raise refused(f"a memo of {index:,} entries")
            memo[index] = stack[-1]
            i += 4
        elif op == 0x4B:  # BININT1
            stack.append(data[i])
            i += 1
        elif op == 0x68:  # BINGET
            stack.append(memo[data[i]])
            i += 1
        elif op == 0x71:  # BINPUT
            memo[data[i]] = stack[-1]
            i += 1
        elif op == 0x58:  # BINUNICODE
            end = i + 4 + uint32(data, i)[0]
            stack.append(_cut(data, i + 4, end).decode("utf-8", "surrogatepass"))
            i = end
        elif op == 0x28:  # MARK
            marks.append(len(stack))
        elif op == 0x74:  # TUPLE
            start = marks.pop()
            stack[start:] = [tuple(stack[start:])]
        elif op == 0x52:  # REDUCE
            args, function = stack.pop(), stack.pop()
            if type(function) is not Global or function.call is None or type(args) is not tuple:
                raise refused("a call of something that is no function")
            made = function.call(args)
            if type(made) is bytes:
                budget -= len(made)
                if budget < 0:
                    raise refused(f"more than {MAX_DECODED:,} bytes of arrays")
            stack.append(made)
        elif op == 0x7D:  # EMPTY_DICT
            stack.append({})
        elif op == 0x6A:  # LONG_BINGET
            stack.append(memo[uint32(data, i)[0]])
            i += 4
        elif op == 0x73:  # SETITEM
            value, key = stack.pop(), stack.pop()
            _set(stack[-1], (key, value))
        elif op == 0x89 or op == 0x88:  # NEWFALSE, NEWTRUE
            stack.append(op == 0x88)
        elif op == 0x29:  # EMPTY_TUPLE
            stack.append(())
        elif op == 0x85:  # TUPLE1
            stack[-1] = (stack[-1],)
        elif op == 0x51:  # BINPERSID
            stack.append(persistent_load(stack.pop()))
        elif op == 0x87:  # TUPLE3
            if len(stack) < 3:
                raise IndexError
            stack[-3:] = [tuple(stack[-3:])]
        elif op == 0x4D:  # BININT2
            stack.append(data[i] | data[i + 1] << 8)
            i += 2
        elif op == 0x86:  # TUPLE2
            if len(stack) < 2:
                raise IndexError
            stack[-2:] = [tuple(stack[-2:])]
        elif op == 0x94:  # MEMOIZE
            if len(memo) > MAX_MEMO:
                raise refused(f"a memo of {len(memo):,} entries")
            memo[len(memo)] = stack[-1]
        elif op == 0x8C:  # SHORT_BINUNICODE
            end = i + 1 + data[i]
            stack.append(_cut(data, i + 1, end).decode("utf-8", "surrogatepass"))
            i = end
        elif op == 0x75:  # SETITEMS
            start = marks.pop()
            items = stack[start:]
            del stack[start:]
            _set(stack[-1], items)
        elif op == 0x5D:  # EMPTY_LIST
            stack.append([])
        elif op == 0x65:  # APPENDS
            start = marks.pop()
            items = stack[start:]
            del stack[start:]
            _extend(stack[-1], items)
        elif op == 0x61:  # APPEND
            value = stack.pop()
            _extend(stack[-1], [value])
        elif op == 0x63:  # GLOBAL
            module, i = _line(data, i)
            name, i = _line(data, i)
            stack.append(find_global(module, name))
        elif op == 0x93:  # STACK_GLOBAL
            name, module = stack.pop(), stack.pop()
            if type(name) is not str or type(module) is not str:
                raise refused("a global without a name")
            stack.append(find_global(module, name))
        elif op == 0x62:  # BUILD
            state = stack.pop()
            build(stack[-1], state)
        elif op == 0x4E:  # NONE
            stack.append(None)
        elif op == 0x4A:  # BININT
            stack.append(struct.unpack_from("<i", data, i)[0])
            i += 4
        elif op == 0x47:  # BINFLOAT
            stack.append(struct.unpack_from(">d", data, i)[0])
            i += 8
        elif op == 0x8A:  # LONG1
            end = i + 1 + data[i]
            stack.append(int.from_bytes(_cut(data, i + 1, end), "little", signed=True))
            i = end
        elif op == 0x43:  # SHORT_BINBYTES
            end = i + 1 + data[i]
            stack.append(_cut(data, i + 1, end))
            i = end
        elif op == 0x42:  # BINBYTES
            end = i + 4 + uint32(data, i)[0]
            stack.append(_cut(data, i + 4, end))
            i = end
        elif op == 0x80:  # PROTO
            if data[i] > 5:
                raise refused(f"pickle protocol {data[i]}")
            i += 1
        elif op == 0x95:  # FRAME
            i += 8
        elif op == 0x2E:  # STOP
            return stack.pop()
        elif op in _TEXT:  # of protocol 0: no checkpoint has them; read on, so that a global is named
            text, i = _line(data, i)
            stack.append(text)
        elif op == 0x70:  # PUT, of protocol 0 too
            text, i = _line(data, i)
            memo[int(text[:20])] = stack[-1]
        elif op == 0x67:  # GET
            text, i = _line(data, i)
            stack.append(memo[int(text[:20])])
        elif op == 0x64 or op == 0x6C:  # DICT, LIST
            start = marks.pop()
            items = stack[start:]
            stack[start:] = [{} if op == 0x64 else []]
            (_set if op == 0x64 else _extend)(stack[-1], items)
        elif op == 0x69:  # INST
            module, i = _line(data, i)
            name, i = _line(data, i)
            raise refused(f"an instance of {find_global(module, name).name}")
        else:
            raise refused(f"pickle opcode {op:#04x} {_NAMES.get(op, '')}".rstrip())


_TEXT = frozenset(b"SVILF")
_NAMES = {
    0x82: "(extension registry)",
    0x83: "(extension registry)",
    0x84: "(extension registry)",
    0x50: "(persistent id as text)",
    0x81: "(new object)",
    0x92: "(new object)",
    0x6F: "(new object)",
    0x97: "(buffer from outside)",
}


def _cut(data: bytes, start: int, end: int) -> bytes:
    if end > len(data):
        raise IndexError
    return data[start:end]


def _line(data: bytes, start: int) -> tuple[str, int]:
    """The text up to the next newline, and where the one after it starts."""
    end = data.index(b"\n", start)
    return data[start:end].decode("utf-8"), end + 1


def _set(target: object, items: Any) -> None:
    """Put alternating keys and values into a dict."""
    if type(target) is not dict:
        raise refused("items for something that is no dict")
    if len(items) % 2:
        raise IndexError
    keys = items[::2]
    for key in keys:
        if type(key) is not str and type(key) is not int:
            raise refused("a dict key that is no text")
    target.update(zip(keys, items[1::2], strict=True))


def _extend(target: object, items: list[Any]) -> None:
    if type(target) is not list:
        raise refused("items for something that is no list")
    target.extend(items)
