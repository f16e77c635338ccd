import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { NodeChoice } from '../../../src/core/node-choice.ts'

const safe = (node: string): MeridianError =>
  new MeridianError('REGION_UNREACHABLE', `no ${node}`, { retry: 'safe' })
const unknown = (node: string): MeridianError =>
  new MeridianError('REGION_UNREACHABLE', `lost ${node}`, { retry: 'unknown-outcome' })

function choiceOf(...nodes: readonly string[]): NodeChoice<string> {
  return new NodeChoice(new Map([['r', nodes]]))
}

describe('the nodes of a region', () => {
  it('are asked in turn until one is reached, which comes first from then on', async () => {
    const choice = choiceOf('a', 'b', 'c')
    const asked: string[] = []
    const ask = async (node: string): Promise<string> => {
      asked.push(node)
      if (node !== 'c') throw safe(node)
      return node
    }
    expect(await choice.ask('r', ask)).toBe('c')
    expect(await choice.ask('r', ask)).toBe('c')
    expect(asked).toEqual(['a', 'b', 'c', 'c'])
  })

  it('are not asked after one that may have done what it was asked', async () => {
    const asked: string[] = []
    const ask = async (node: string): Promise<string> => {
      asked.push(node)
      throw unknown(node)
    }
    await expect(choiceOf('a', 'b').ask('r', ask)).rejects.toThrow('lost a')
    expect(asked).toEqual(['a'])
  })

  it('fail as the last one did where none is reached', async () => {
    const ask = async (node: string): Promise<string> => {
      throw safe(node)
    }
    await expect(choiceOf('a', 'b').ask('r', ask)).rejects.toThrow('no b')
  })

  it('are asked from another one on for every copy that is under way', async () => {
    const choice = choiceOf('a', 'b')
    const ask = async (node: string): Promise<string> => node
    expect(await choice.ask('r', ask, 0)).toBe('a')
    expect(await choice.ask('r', ask, 1)).toBe('b')
    expect(await choice.ask('r', ask, 2)).toBe('a')
  })

  it('that are avoided make room for the next one, unless another comes first already', () => {
    const choice = choiceOf('a', 'b', 'c')
    choice.avoid('r', 'c')
    expect(choice.inTurn('r')).toEqual(['a', 'b', 'c'])
    choice.avoid('r', 'a')
    expect(choice.inTurn('r')).toEqual(['b', 'c', 'a'])
    choice.prefer('r', 'a')
    expect(choice.inTurn('r')).toEqual(['a', 'b', 'c'])
  })
})
