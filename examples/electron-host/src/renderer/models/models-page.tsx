/** The models that each profile and each ready provider offers, with their limits and prices. */
import { useState } from 'react'
import type { ModelInfo } from '../../shared/protocol'
import type { Choice } from '../llm/choice'
import { isOff, useOffers, type Offer } from '../llm/offers'
import { count, plural } from '../ui/figures'
import { ModelIcon, RetryIcon, SearchIcon } from '../ui/icons'
import { Empty, Page, Problem, Waiting } from '../ui/parts'

export function ModelsPage({ onChat }: { onChat: (choice: Choice) => void }) {
  const { offers, problem, loading, again } = useOffers()
  const [search, setSearch] = useState('')
  return (
    <Page
      title="Models"
      hint="What each profile and provider offers now. Prices are list prices in US dollars for a million tokens."
      actions={
        <>
          <label className="search"><SearchIcon /><span className="heard">Search models</span><input type="search" placeholder="Search models" value={search} onChange={(event) => setSearch(event.target.value)} /></label>
          <button type="button" onClick={() => void again()}><RetryIcon />Refresh</button>
        </>
      }
    >
      {problem !== null && <Problem problem={problem} onRetry={() => void again()} />}
      {loading && offers.length === 0 && <Waiting what="Asking the providers" />}
      {!loading && problem === null && offers.length === 0 && <Empty icon={<ModelIcon />} title="Nobody can be asked yet"><p className="muted">Create a profile first.</p></Empty>}
      {offers.filter((offer) => !isOff(offer)).map((offer) => <OfferTable key={offer.key} offer={offer} search={search} onChat={onChat} />)}
      <NotRunning offers={offers.filter(isOff)} />
    </Page>
  )
}

function NotRunning({ offers }: { offers: Offer[] }) {
  if (offers.length === 0) return null
  return (
    <section className="card" aria-label="Not running">
      <h2>Not running</h2>
      <ul className="plain">
        {offers.map(({ key, name, problem }) => <li key={key} className="pair"><span>{name}</span> <span className="muted">{problem?.message}</span></li>)}
      </ul>
    </section>
  )
}

function OfferTable({ offer, search, onChat }: { offer: Offer; search: string; onChat: (choice: Choice) => void }) {
  const models = (offer.models?.data ?? []).filter(({ id, name }) => `${id} ${name ?? ''}`.toLowerCase().includes(search.toLowerCase()))
  return (
    <section className="card" aria-label={`Models of ${offer.name}`}>
      <div className="card-head">
        <h2>{offer.name}{offer.active && <span className="tag good">active</span>}</h2>
        <p className="muted">{[offer.detail, offer.models === null ? '' : plural(offer.models.data.length, 'model')].filter((part) => part !== '').join(' · ')}</p>
      </div>
      {offer.models === null && offer.problem === null && <Waiting what="Asking" />}
      {offer.problem !== null && <Problem problem={offer.problem} />}
      {models.length > 0 && (
        <div className="table-frame" tabIndex={0} role="region" aria-label={`Table of the models of ${offer.name}`}>
          <table className="models">
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col" className="number">Context</th>
                <th scope="col" className="number">Longest answer</th>
                <th scope="col" className="number">Input per M</th>
                <th scope="col" className="number">Output per M</th>
                <th scope="col" className="number"><span className="heard">Chat</span></th>
              </tr>
            </thead>
            <tbody>
              {models.map((model) => (
                <ModelRow key={model.id} model={model} isDefault={model.id === offer.defaultModel} onChat={() => onChat({ ...offer.choice, modelId: model.id })} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {offer.models?.truncated === true && <p className="muted">There are more than are told here.</p>}
    </section>
  )
}

const known = (value: number | undefined): string => (value === undefined ? '–' : count(value))
const price = (value: number | undefined): string => (value === undefined ? '–' : `$${value}`)

function ModelRow({ model, isDefault, onChat }: { model: ModelInfo; isDefault: boolean; onChat: () => void }) {
  return (
    <tr>
      <th scope="row">
        <span className="model-id">{model.id}</span>
        {isDefault && <span className="tag">default</span>}
        {model.name !== undefined && model.name !== model.id && <span className="muted"> {model.name}</span>}
      </th>
      <td className="number">{known(model.contextWindow)}</td>
      <td className="number">{known(model.maxOutputTokens)}</td>
      <td className="number">{price(model.prices?.inputPerMillion)}</td>
      <td className="number">{price(model.prices?.outputPerMillion)}</td>
      <td className="number"><button type="button" className="small" onClick={onChat} aria-label={`Chat with ${model.id}`}>Chat</button></td>
    </tr>
  )
}
