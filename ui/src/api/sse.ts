// A parser of the server-sent events format, fed with text as it arrives.

export interface StreamMessage {
  id: string | null
  data: string
}

export class StreamParser {
  private rest = ''
  private id: string | null = null
  private data: string[] = []

  /** Takes the next piece of the stream and returns the messages that it completed. */
  push(text: string): StreamMessage[] {
    const messages: StreamMessage[] = []
    this.rest += text
    // A carriage return at the very end may be the first half of CRLF: it waits for the next piece.
    let start = 0
    for (;;) {
      const found = this.rest.slice(start).search(/\r\n|\n|\r/)
      if (found < 0) break
      const end = start + found
      if (this.rest[end] === '\r' && end + 1 === this.rest.length) break
      const message = this.line(this.rest.slice(start, end))
      if (message) messages.push(message)
      start = end + (this.rest[end] === '\r' && this.rest[end + 1] === '\n' ? 2 : 1)
    }
    this.rest = this.rest.slice(start)
    return messages
  }

  private line(line: string): StreamMessage | null {
    if (line === '') {
      if (this.data.length === 0) return null
      const message = { id: this.id, data: this.data.join('\n') }
      this.data = []
      return message
    }
    if (line.startsWith(':')) return null
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (field === 'data') this.data.push(value)
    else if (field === 'id') this.id = value
    return null
  }
}
