import { expect, test } from 'vitest'
import { gatherFiles, Gathering, LIMITS } from '../src/areas/inspect/gather'
import { adviceOf, openingOf } from '../src/areas/inspect/opening'

const file = (path: string, size = 1) =>
  Object.defineProperty(new File(['x'.repeat(size)], path.split('/').at(-1) ?? ''), 'webkitRelativePath', {
    value: path,
  })

test('what is generated or somebody else’s is left out, and said once', () => {
  const { name, files, bytes, skipped, refusal } = gatherFiles([
    file('wine/MLproject', 3),
    file('wine/src/train.py', 4),
    file('wine/.git/config'),
    file('wine/.git/objects/aa/bb'),
    file('wine/sub/.venv/bin/python'),
    file('wine/.gitignore', 2),
  ])
  expect([name, files.map(({ path }) => path), bytes, refusal]).toEqual([
    'wine',
    ['MLproject', 'src/train.py', '.gitignore'],
    9,
    '',
  ])
  expect([...skipped]).toEqual([
    ['.git', 1],
    ['.venv', 1],
  ])
})

test('limits stop the reading and say which', () => {
  const many = new Gathering('x')
  for (let i = 0; i < LIMITS.files; i++) expect(many.add(`f${i}`, file('x/f'))).toBe(true)
  expect(many.add('one more', file('x/f'))).toBe(false)
  expect(many.gathered.refusal).toContain('5,000 files')
  const deep = new Gathering('x')
  expect(deep.add(Array.from({ length: 40 }, () => 'd').join('/'), file('x/f'))).toBe(false)
  const big = new Gathering('x')
  expect(big.add('f', Object.defineProperty(file('x/f'), 'size', { value: 2 ** 31 }))).toBe(false)
  expect(big.gathered.refusal).toContain('1 GiB')
})

test('each thing that is found leads somewhere', () => {
  const of = (kind: Parameters<typeof adviceOf>[0], path: string) =>
    openingOf({ kind, path, detail: 'x', warning: undefined }, '/w')
  expect(of('notebook', 'a/eda.ipynb')).toEqual({
    how: 'look',
    href: '#/folder?at=%2Fw&file=a%2Feda.ipynb',
    page: 'Notebook, read only',
  })
  expect(of('mlflow_file_store', 'mlruns')).toMatchObject({ href: '#/folder?at=%2Fw%2Fmlruns' })
  // A file that was dropped by itself.
  expect(openingOf({ kind: 'table', path: '', detail: 'CSV', warning: undefined }, '/w/t.csv')).toMatchObject(
    {
      href: '#/folder?at=%2Fw%2Ft.csv&file=t.csv',
    },
  )
  expect(of('requirements', 'a/requirements.txt')).toMatchObject({ how: 'project', folder: '/w/a' })
  expect(adviceOf('mlflow_database', "/w/it's here.db").command).toBe(
    `mlflow ui --backend-store-uri 'sqlite:////w/it'\\''s here.db'`,
  )
})
