import { mount, unmount } from 'svelte'
import { expect, test } from 'vitest'
import Markdown from '../src/markdown/Markdown.svelte'
import { parseMarkdown, safeHref } from '../src/markdown/parse'

function draw(source: string): HTMLElement {
  const target = document.createElement('div')
  const component = mount(Markdown, { target, props: { source } })
  const result = target.cloneNode(true) as HTMLElement
  void unmount(component)
  return result
}

test('what people write is drawn', () => {
  const page = draw(
    '# Title\n\nSome **bold**, *thin* and `code`.\n\n- one\n- two\n\n1. first\n\n```\nx < 1\n```\n\n> said\n\n---',
  )
  expect(page.querySelector('[role=heading]')?.textContent?.trim()).toBe('Title')
  expect(page.querySelector('strong')?.textContent).toBe('bold')
  expect(page.querySelector('em')?.textContent).toBe('thin')
  expect(page.querySelector('p code')?.textContent).toBe('code')
  expect(page.querySelectorAll('ul li')).toHaveLength(2)
  expect(page.querySelectorAll('ol li')).toHaveLength(1)
  expect(page.querySelector('pre')?.textContent).toBe('x < 1')
  expect(page.querySelector('blockquote')?.textContent?.trim()).toBe('said')
  expect(page.querySelector('hr')).not.toBeNull()
})

test('names with underscores stay as they are', () => {
  expect(draw('use val_loss_ema here').querySelector('em')).toBeNull()
})

test.each([
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '# <iframe srcdoc="x"></iframe>',
  '- <a href="javascript:alert(1)">x</a>',
  '```\n</pre><script>alert(1)</script>\n```',
  '**<svg onload=alert(1)>**',
  '[<b onclick=alert(1)>](https://example.org)',
])('HTML stays text: %s', (source) => {
  const page = draw(source)
  expect(
    page.querySelector('script, img, iframe, svg, b, [onerror], [onload], [onclick], [srcdoc]'),
  ).toBeNull()
  expect([...page.querySelectorAll('a')].every((link) => link.href.startsWith('https://example.org'))).toBe(
    true,
  )
})

test.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  '//example.org',
  '/local',
  'https:',
  '',
])('no link leads to %s', (href) => {
  expect(safeHref(href)).toBeNull()
  expect(draw(`[click](${href})`).querySelector('a')).toBeNull()
})

test('links to the web work, and cannot reach back', () => {
  const link = draw('see [docs](https://example.org/a?b=c) and https://example.net/x.').querySelectorAll('a')
  expect([...link].map((a) => a.href)).toEqual(['https://example.org/a?b=c', 'https://example.net/x'])
  expect(link[0]?.rel).toContain('noopener')
})

test('hostile nesting and length end quickly', () => {
  const started = performance.now()
  parseMarkdown('['.repeat(20_000))
  parseMarkdown('**a '.repeat(2_000))
  parseMarkdown('*_'.repeat(2_000))
  expect(performance.now() - started).toBeLessThan(4000)
})
