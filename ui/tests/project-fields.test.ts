import { describe, expect, it } from 'vitest'
import type { ProjectDetail } from '../src/api/project-types'
import { openingOf } from '../src/areas/inspect/opening'
import {
  fieldsOf,
  givenOf,
  moreOf,
  presetsOf,
  runnablesOf,
  runsFilter,
  wrongWith,
  type Field,
} from '../src/areas/projects/fields'

const field = (more: Partial<Field>): Field => ({
  name: 'x',
  kind: 'string',
  many: false,
  choices: [],
  preset: null,
  presetSource: '',
  required: false,
  help: '',
  flag: '',
  ...more,
})

const detail: ProjectDetail = {
  folder: '/p',
  environments: [],
  truncated: false,
  mlproject: {
    notes: [],
    entry_points: [
      { name: 'load', command: 'python load.py {rows}', parameters: [{ name: 'rows', kind: 'int' }] },
      {
        name: 'main',
        command: 'python t.py {alpha}',
        parameters: [{ name: 'alpha', kind: 'float', default: '0.5' }],
      },
    ],
  },
  scripts: [
    {
      path: 'tool.py',
      framework: 'click',
      parameters: [],
      commands: [
        {
          name: 'fit',
          parameters: [
            {
              name: 'fast',
              flags: ['--fast', '-f'],
              style: 'flag',
              kind: 'bool',
              many: false,
              choices: [],
              default: 'false',
              required: false,
            },
          ],
        },
      ],
      notes: [],
      runs: true,
    },
  ],
}

describe('the form of a project', () => {
  it('offers entry points first, main before all, then scripts with their subcommands', () => {
    const all = runnablesOf(detail)
    expect(all.map(({ name }) => name)).toEqual(['main', 'load', 'tool.py'])
    expect(fieldsOf(all[1]!, '').map(({ required }) => required)).toEqual([true])
    expect(fieldsOf(all[2]!, 'fit').map(({ name, kind, flag }) => [name, kind, flag])).toEqual([
      ['fast', 'bool', '--fast'],
    ])
    expect(fieldsOf(all[2]!, 'other')).toEqual([])
  })

  it('says what is wrong with a value while it is typed', () => {
    const number = field({ kind: 'float' })
    for (const good of ['', '0.5', '1e-3', '-2', '.5', '1_000', 'inf', 'NaN'])
      expect(wrongWith(number, good)).toBe('')
    for (const bad of ['x', '1,5', '1e', '--1', '1__0']) expect(wrongWith(number, bad)).toContain('A number')
    expect(wrongWith(field({ kind: 'int' }), '1.5')).toContain('whole')
    expect(wrongWith(field({ required: true }), '')).toContain('Needs')
    expect(wrongWith(field({ choices: ['a', 'b'] }), 'c')).toBe('One of a, b.')
    expect(wrongWith(field({ kind: 'uri' }), 'data')).toContain('address')
    expect(wrongWith(field({ kind: 'int', many: true }), '1 2 x')).toContain('whole')
    // What the project itself says is not argued with.
    expect(wrongWith(field({ kind: 'float', preset: 'None' }), 'None')).toBe('')
  })

  it('sends only what differs from what it would be anyway', () => {
    const fields = [
      field({ name: 'a', kind: 'float', preset: '0.5' }),
      field({ name: 'b', kind: 'int', preset: '3' }),
      field({ name: 'c', preset: 'text' }),
      field({ name: 'd' }),
    ]
    const values = presetsOf(fields)
    expect(givenOf(fields, values)).toEqual([])
    expect(givenOf(fields, { ...values, a: '1', b: '', c: '' })).toEqual([
      { name: 'a', value: '1' },
      { name: 'c', value: '' },
    ])
  })

  it('reads further parameters, with anything behind the first equals sign', () => {
    expect(moreOf('a=1\n\nb=x=y; $(id)')).toEqual({
      given: [
        { name: 'a', value: '1' },
        { name: 'b', value: 'x=y; $(id)' },
      ],
      problem: '',
    })
    expect(moreOf('nothing').problem).toContain('name=value')
  })

  it('writes a path into a filter, or says that it cannot', () => {
    expect(runsFilter('/a b')).toBe("tags.`slipway.project` = '/a b'")
    expect(runsFilter("/it's")).toBe('tags.`slipway.project` = "/it\'s"')
    expect(runsFilter('/\'"')).toBe('')
  })
})

describe('what is found in a folder', () => {
  const item = (
    kind: 'ml_project' | 'requirements' | 'python_script' | 'model' | 'notebook',
    path: string,
  ) => ({
    kind,
    path,
    detail: '',
  })
  it('opens the folder that it lies in', () => {
    expect(openingOf(item('ml_project', 'MLproject'), '/p')).toMatchObject({ how: 'project', folder: '/p' })
    expect(openingOf(item('ml_project', 'a/MLproject'), '/p')).toMatchObject({ folder: '/p/a' })
    // A single file that was dropped.
    expect(openingOf(item('ml_project', ''), '/p/MLproject')).toMatchObject({ folder: '/p' })
    expect(openingOf(item('requirements', 'b/requirements.txt'), '/p')).toMatchObject({ folder: '/p/b' })
    // Several scripts are named by their folder, a single one by itself.
    expect(openingOf(item('python_script', 'src'), '/p')).toMatchObject({ folder: '/p/src' })
    expect(openingOf(item('python_script', 'src/t.py'), '/p')).toMatchObject({ folder: '/p/src' })
    expect(openingOf(item('python_script', ''), '/p')).toMatchObject({ folder: '/p' })
  })
  it('registers models, and says of the rest why it is only listed', () => {
    expect(openingOf(item('model', 'm/model.onnx'), '/p')).toMatchObject({
      how: 'register',
      path: '/p/m/model.onnx',
    })
    expect(openingOf(item('notebook', 'x.ipynb'), '/p')).toMatchObject({ how: 'look' })
    const many = { kind: 'model' as const, path: '', detail: 'and 1,200 more models' }
    expect(openingOf(many, '/p')).toMatchObject({
      how: 'list',
      why: expect.stringContaining('smaller') as string,
    })
  })
})
