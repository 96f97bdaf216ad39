/**
 * Who answers: a button that opens a list of profiles, providers and their models, with a field to search in.
 *
 * Law: a combobox as the ARIA practices have it: the focus stays in the field, arrows move the marked option.
 */
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { sameChoice, type Choice } from '../llm/choice'
import { useOffers, type Offer } from '../llm/offers'
import { compact } from '../ui/figures'
import { CheckIcon, ChevronIcon, SearchIcon } from '../ui/icons'

interface Option {
  id: string
  group: string
  label: string
  hint: string
  choice: Choice
}

export function ModelPicker({ choice, onChoose }: { choice: Choice; onChoose: (choice: Choice) => void }) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const { offers, again } = useOffers(open)
  const close = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  const offer = offers.find((each) => sameChoice(each.choice, { ...choice, modelId: undefined } as Choice))
  const model = choice.modelId ?? offer?.defaultModel ?? 'default model'
  return (
    <div className="picker" onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}>
      <button
        ref={button}
        type="button"
        className="picker-button"
        aria-haspopup="listbox"
        aria-expanded={open}
        onClick={() => {
          if (!open) void again()
          setOpen(!open)
        }}
      >
        <span className="heard">Answered by </span>
        <strong>{offer?.name ?? choice.providerId ?? 'Profile'}</strong>
        <span className="muted">{model}</span>
        <ChevronIcon />
      </button>
      {open && <Choices offers={offers} choice={choice} onChoose={(chosen) => { onChoose(chosen); close() }} onClose={close} />}
    </div>
  )
}

interface ChoicesProps {
  offers: Offer[]
  choice: Choice
  onChoose: (choice: Choice) => void
  onClose: () => void
}

function Choices({ offers, choice, onChoose, onClose }: ChoicesProps) {
  const [search, setSearch] = useState('')
  const [moved, setMarked] = useState<number | null>(null)
  const name = useId()
  const field = useRef<HTMLInputElement>(null)
  const options = useMemo(() => matching(offers, search), [offers, search])
  const chosen = Math.max(0, options.findIndex((option) => sameChoice(option.choice, choice)))
  const at = Math.min(moved ?? chosen, Math.max(options.length - 1, 0))

  useEffect(() => field.current?.focus(), [])
  useEffect(() => void document.getElementById(`${name}-${at}`)?.scrollIntoView({ block: 'nearest' }), [at, name])

  const onKeyDown = (event: KeyboardEvent): void => {
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: options.length - 1 }
    const to = moves[event.key]
    if (to !== undefined) setMarked(Math.max(0, Math.min(to, options.length - 1)))
    else if (event.key === 'Enter' && options[at] !== undefined) onChoose(options[at].choice)
    else if (event.key === 'Escape') onClose()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div className="picker-list">
      <div className="search">
        <SearchIcon />
        <input
          ref={field}
          role="combobox"
          aria-label="Search profiles and models"
          aria-expanded="true"
          aria-controls={name}
          aria-activedescendant={options.length > 0 ? `${name}-${at}` : undefined}
          placeholder="Search models"
          value={search}
          onChange={(event) => { setSearch(event.target.value); setMarked(0) }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div className="options" role="listbox" id={name} aria-label="Profiles and models">
        {options.map((option, index) => (
          <div key={option.id} role="presentation">
            {option.group !== options[index - 1]?.group && <div className="group" role="presentation">{option.group}</div>}
            <div
              id={`${name}-${index}`}
              role="option"
              aria-selected={sameChoice(option.choice, choice)}
              className={index === at ? 'option marked' : 'option'}
              onMouseMove={() => setMarked(index)}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => onChoose(option.choice)}
            >
              <span className="check">{sameChoice(option.choice, choice) && <CheckIcon />}</span>
              <span className="label">{option.label}</span>
              <span className="muted">{option.hint}</span>
            </div>
          </div>
        ))}
      </div>
      {options.length === 0 && <p className="muted none">Nothing fits “{search}”.</p>}
    </div>
  )
}

function matching(offers: Offer[], search: string): Option[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== '')
  return offers.flatMap(optionsOf).filter(({ group, label }) => {
    const text = `${group} ${label}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

function optionsOf(offer: Offer): Option[] {
  const group = offer.detail === '' ? offer.name : `${offer.name} · ${offer.detail}${offer.active ? ' · active' : ''}`
  const hint = offer.problem === null ? (offer.models === null ? '…' : '') : 'not running'
  const standard = { id: offer.key, group, label: offer.defaultModel ?? 'Default model', hint: hint === '' ? 'default' : hint, choice: offer.choice }
  const models = (offer.models?.data ?? []).filter((model) => model.id !== offer.defaultModel)
  return [
    standard,
    ...models.map((model) => ({
      id: `${offer.key} ${model.id}`,
      group,
      label: model.id,
      hint: model.contextWindow === undefined ? '' : `${compact(model.contextWindow)} tokens`,
      choice: { ...offer.choice, modelId: model.id }
    }))
  ]
}
