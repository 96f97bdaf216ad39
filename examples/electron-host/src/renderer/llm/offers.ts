/**
 * Who can answer now, and with which models: the profiles, then the providers that are ready without one.
 *
 * Law: each is asked on its own; one that fails or is slow keeps no other from being shown. Those that are off come last.
 */
import { useCallback, useEffect, useState } from 'react'
import type { LLMProfile } from '../../shared/api'
import type { IpcError } from '../../shared/ipc-result'
import { llmErrorOf } from '../../shared/llm-error'
import type { ModelList, ProviderInfo } from '../../shared/protocol'
import { useAsk } from '../ui/use-ask'
import type { Choice } from './choice'

export interface Offer {
  key: string
  name: string
  /** A profile's provider; empty for a provider. */
  detail: string
  choice: Choice
  /** What it uses where no model is named. */
  defaultModel: string | null
  active: boolean
  models: ModelList | null
  problem: IpcError | null
}

export interface Offers {
  offers: Offer[]
  problem: IpcError | null
  loading: boolean
  again(): Promise<void>
}

type Answer = { models: ModelList } | { problem: IpcError }

const who = async (): Promise<Offer[]> => {
  const [profiles, { providers }] = await Promise.all([window.llmAPI.listProfiles(), window.llm.llmListProviders()])
  const own = profiles.success ? profiles.data.profiles.map(ofProfile) : []
  return [...own, ...providers.filter((provider) => provider.ready).map(ofProvider)]
}

/** `wanted`: whether to ask for the models now. */
export function useOffers(wanted = true): Offers {
  const { data, problem, loading, again } = useAsk(who)
  const [answers, setAnswers] = useState<ReadonlyMap<string, Answer>>(new Map())

  const ask = useCallback(async (offer: Offer): Promise<void> => {
    const { profileId, providerId } = offer.choice
    const of = profileId === undefined ? { providerId: providerId! } : { profileId }
    const answer: Answer = await window.llm.llmListModels(of).then(
      (models) => ({ models }),
      (thrown: unknown) => ({ problem: llmErrorOf(thrown) })
    )
    setAnswers((before) => new Map(before).set(offer.key, answer))
  }, [])

  useEffect(() => {
    if (wanted && data !== null) for (const offer of data) void ask(offer)
  }, [wanted, data, ask])

  const all = (data ?? []).map((offer) => ({ ...offer, ...answers.get(offer.key) }))
  const offers = [...all.filter((offer) => !isOff(offer)), ...all.filter(isOff)]
  return { offers, problem, loading, again }
}

/** A server of this machine that nobody made a profile for, and that does not run: nothing to be alarmed about. */
export const isOff = ({ choice, problem }: Offer): boolean => choice.providerId !== undefined && problem?.code === 'NETWORK_ERROR'

function ofProfile({ id, name, providerType, modelId, isActive }: LLMProfile): Offer {
  const choice = { profileId: id }
  return { key: `profile ${id}`, name, detail: providerType, choice, defaultModel: modelId, active: isActive, models: null, problem: null }
}

function ofProvider({ id, name, defaultModel }: ProviderInfo): Offer {
  const choice = { providerId: id }
  return { key: `provider ${id}`, name, detail: '', choice, defaultModel, active: false, models: null, problem: null }
}
