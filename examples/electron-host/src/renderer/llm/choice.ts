/** Who is to answer: a profile or a provider, and perhaps one of its models. */
export interface Choice {
  profileId?: string
  providerId?: string
  /** Without: the profile's or provider's own. */
  modelId?: string
}

const PLACE = 'choice'
export const DEMO: Choice = { providerId: 'demo' }

export const sameChoice = (one: Choice, other: Choice): boolean =>
  one.profileId === other.profileId && one.providerId === other.providerId && one.modelId === other.modelId

/** As it was last chosen on this computer. */
export function rememberedChoice(): Choice | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PLACE) ?? 'null')
    if (typeof kept !== 'object' || kept === null) return null
    const choice: Choice = {}
    for (const field of ['profileId', 'providerId', 'modelId'] as const) {
      const value: unknown = Reflect.get(kept, field)
      if (typeof value === 'string') choice[field] = value
    }
    return choice.profileId === undefined && choice.providerId === undefined ? null : choice
  } catch {
    return null
  }
}

export function rememberChoice(choice: Choice): void {
  localStorage.setItem(PLACE, JSON.stringify(choice))
}
