#!/usr/bin/env bash
# A minimal host in bash and jq: asks a sidecar one thing and streams the answer into the terminal.
#
#   ./host.sh Why is the sky blue?
#
# LLM_SIDECAR   the command of the sidecar     LLM_PROVIDER, LLM_MODEL   who answers (default: the demo provider)
# Ends with 0 done, 1 the answer failed, 2 it could not begin, 3 the sidecar ended or spoke otherwise, 130 cancelled.
set -uo pipefail

readonly PROTOCOL_VERSION=1
read -r -a command <<<"${LLM_SIDECAR:-llm-sidecar serve --in-memory --log-level warning}"

fail() { # EXIT-CODE MESSAGE
  printf 'host: %s\n' "$2" >&2
  exit "$1"
}

(($# > 0)) || fail 2 "what should be asked? $0 PROMPT"
command -v jq >/dev/null || fail 2 'this host needs jq'
command -v "${command[0]}" >/dev/null || fail 2 "cannot start ${command[0]}: set LLM_SIDECAR, or install llm-sidecar"

# One jq reads all that the sidecar says and makes a line of fields for `read` of each message. A text is without control
# characters: it shall not paint the terminal. Its line ends, tabs and backslashes are escaped as `printf %b` has them.
readonly FILTER='
  def text: tostring | explode | map(select(. == 9 or . == 10 or (. > 31 and (. < 127 or . > 159)))) | implode
    | split("\\") | join("\\\\") | split("\n") | join("\\n") | split("\t") | join("\\t");
  def seq: .params.seq | if type == "number" then . else "-" end;
  def fields: map(tostring) | join("\t");
  (fromjson? // null) | if type != "object" then ["noise"]
  elif .method == "llm:token" then ["token", seq, (.params.token | text)]
  elif .method == "llm:done" then ["done", seq, (.params.cancelled // false), .params.usage.completionTokens]
  elif .method == "llm:error" then ["error", seq, ("\(.params.code): \(.params.error)" | text)]
  elif .method then ["other", seq]
  elif .error then ["refused", ("\(.error.data.code): \(.error.message)" | text)]
  elif .id == 0 then ["hello", .result.protocolVersion]
  else ["answered", .id] end | fields'

# `set -m` gives the sidecar a process group of its own: Ctrl-C is for this host, which cancels and then says goodbye.
# Its exit code comes as a last line; `cat` keeps the pipe open until this host has read it and closes its end.
set -m
coproc SIDECAR {
  "${command[@]}" | jq --unbuffered -Rr "$FILTER"
  printf 'ended\t%s\n' "${PIPESTATUS[0]}"
  cat >/dev/null
}
set +m
readonly sidecar=$SIDECAR_PID
exec {from}<&"${SIDECAR[0]}" {to}>&"${SIDECAR[1]}" # copies: a subshell does not have the originals
eval "exec ${SIDECAR[0]}<&- ${SIDECAR[1]}>&-"

send() { (trap '' INT; exec jq -cn "$@" >&"$to"); }

asked=false cancelled=false
cancel() { # a second Ctrl-C ends the host; the sidecar goes with it, for its stdin ends
  trap 'exit 130' INT # and not `trap - INT`: bash forgets a signal that comes while jq runs
  cancelled=true
  $asked && send '{jsonrpc: "2.0", id: 2, method: "llm:cancel", params: {inferenceId: "answer"}}'
}
trap cancel INT

finish() { # EXIT-CODE: say goodbye and see the sidecar off
  exec {from}<&- {to}>&-
  wait "$sidecar"
  exit "$1"
}

ask() {
  send --arg prompt "$*" --arg provider "${LLM_PROVIDER:-demo}" --arg model "${LLM_MODEL:-}" '{
    jsonrpc: "2.0", id: 1, method: "llm:inference",
    params: ({inferenceId: "answer", providerId: $provider, messages: [{role: "user", content: $prompt}]}
      + if $model == "" then {} else {modelId: $model} end)}'
  asked=true
  if $cancelled; then cancel; fi # Ctrl-C came while it was sent
}

send --argjson version "$PROTOCOL_VERSION" --argjson pid "$$" '{
  jsonrpc: "2.0", id: 0, method: "initialize",
  params: {protocolVersion: $version, processId: $pid, client: {name: "bash host"}}}'

next=0
while IFS=$'\t' read -r kind first second third <&"$from"; do
  case $kind in
    token | done | error | other)
      [[ $kind == other && $first == - ]] && continue
      [[ $first == "$next" ]] || { printf 'host: event %s came, not %s\n' "$first" "$next" >&2; finish 3; }
      ((next++))
      ;;
  esac
  case $kind in
    hello)
      [[ $first == "$PROTOCOL_VERSION" ]] || { printf 'host: the sidecar speaks version %s\n' "$first" >&2; finish 3; }
      if $cancelled; then finish 130; fi
      ask "$@"
      ;;
    token) printf '%b' "$second" ;;
    done)
      printf '\n'
      if [[ $second == true ]]; then printf 'host: cancelled after %s tokens\n' "$third" >&2; finish 130; fi
      finish 0
      ;;
    error) printf '\nhost: %b\n' "$second" >&2; finish 1 ;;
    noise) printf 'host: the sidecar sent what is no message\n' >&2; finish 3 ;;
    ended) printf 'host: the sidecar ended before the answer did, with exit code %s\n' "$first" >&2; finish 3 ;;
    refused) printf 'host: %b\n' "$first" >&2; finish 1 ;;
  esac
done
finish 3
