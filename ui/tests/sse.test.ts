import { expect, test } from 'vitest'
import { StreamParser } from '../src/api/sse'

const STREAM =
  ': hello\n\nid: b.1\ndata: {"a":1}\n\nid: b.2\r\ndata: first\r\ndata: second\r\n\r\ndata:no space\n\n'

test('messages carry their id, and later ones without an id keep the last', () => {
  expect(new StreamParser().push(STREAM)).toEqual([
    { id: 'b.1', data: '{"a":1}' },
    { id: 'b.2', data: 'first\nsecond' },
    { id: 'b.2', data: 'no space' },
  ])
})

test('it does not matter where the stream is cut', () => {
  const whole = new StreamParser().push(STREAM)
  for (let size = 1; size < 12; size++) {
    const parser = new StreamParser()
    const pieces: unknown[] = []
    for (let at = 0; at < STREAM.length; at += size) pieces.push(...parser.push(STREAM.slice(at, at + size)))
    expect(pieces, `pieces of ${size}`).toEqual(whole)
  }
})

test('comments and unknown fields are no messages', () => {
  expect(new StreamParser().push(': beat\n\nretry: 5\nevent: x\n\n')).toEqual([])
})

test('an unfinished message waits', () => {
  const parser = new StreamParser()
  expect(parser.push('data: half')).toEqual([])
  expect(parser.push('\n')).toEqual([])
  expect(parser.push('\n')).toEqual([{ id: null, data: 'half' }])
})
