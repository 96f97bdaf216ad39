"""The one list of what can be said: methods, notifications, and the errors each method can answer with.

Law: what is not in this list does not exist. The dispatcher admits nothing else, `rpc.discover` describes exactly
this, and `protocol/` is generated from it. A name, a shape or a sentence is written here once.
"""

from __future__ import annotations

from typing import Any, Final

from llm_sidecar.messages import (
    chat,
    events,
    generation,
    handshake,
    inference,
    job,
    models,
    profile,
    session,
    shape,
    status,
    usage,
)
from llm_sidecar.messages.method import Method, Notification
from llm_sidecar.messages.method_errors import (
    ADMISSION_ERRORS,
    INFERENCE_ERRORS,
    READ_ERRORS,
    ROUTE_ERRORS,
    STORE_ERRORS,
    VAULT_ERRORS,
)

_ANSWER: Final = ("llm:thinking", "llm:token", "llm:tool-call", "llm:progress", "llm:done", "llm:error")
_JOB: Final = ("llm:job:progress", "llm:job:done", "llm:job:error")

_METHODS: Final = (
    Method(
        "initialize",
        handshake.InitializeParams,
        handshake.InitializeResult,
        "The handshake: versions, limits, the host's process id. Optional, once, first.",
        ("ALREADY_INITIALIZED",),
    ),
    Method("ping", shape.NoParams, shape.Empty, "Answered at once, also while a stream is stalled."),
    Method(
        "shutdown",
        handshake.ShutdownParams,
        shape.Empty,
        "Settle what is running, refuse what is new, and answer. Then send `exit` or close stdin.",
        leads_to=("llm:error", "llm:job:error"),
    ),
    Method("exit", shape.NoParams, shape.Empty, "End the process now.", is_notification=True),
    Method(
        "$/cancelRequest",
        handshake.CancelRequestParams,
        shape.Empty,
        "Cancel a request that has not been answered yet.",
        is_notification=True,
    ),
    Method("rpc.discover", shape.NoParams, dict, "This protocol, as an OpenRPC document."),
    Method(
        "llm:inference",
        inference.InferenceParams,
        inference.InferenceAccepted,
        "Start one answer. Its events follow the response; exactly one `llm:done` or `llm:error` ends them.",
        ADMISSION_ERRORS,
        leads_to=_ANSWER,
    ),
    Method(
        "llm:cancel",
        inference.CancelParams,
        inference.Success,
        "Cancel an inference in any state. No token follows the response; the terminal is `llm:done` with `cancelled`.",
        leads_to=("llm:done",),
    ),
    Method(
        "llm:inference:attach",
        inference.AttachParams,
        inference.AttachResult,
        "Replay the events of an inference from `fromSeq` on; live ones follow the response.",
        ("INFERENCE_NOT_FOUND", "REPLAY_GAP"),
        leads_to=_ANSWER,
    ),
    Method(
        "llm:generate-text",
        generation.GenerateTextParams,
        generation.GeneratedText,
        "One prompt, one text, in the response. `$/cancelRequest` cancels it.",
        INFERENCE_ERRORS,
    ),
    Method(
        "llm:chat:completions",
        chat.ChatCompletionParams,
        chat.ChatCompletion,
        "A chat completion in OpenAI's format. With `request.stream` each `llm:chat:chunk` comes before the response, "
        "which is the whole completion. `$/cancelRequest` cancels it.",
        ("SERVICE_NOT_FOUND", *INFERENCE_ERRORS),
        leads_to=("llm:chat:chunk",),
    ),
    Method("llm:get-status", shape.NoParams, status.ServiceStatus, "What the sidecar is doing now."),
    Method(
        "llm:window:closed",
        inference.WindowClosedParams,
        inference.WindowClosedResult,
        "A window of the host is gone: cancel its inferences, release its sessions.",
        leads_to=("llm:done",),
    ),
    Method(
        "llm:providers:list",
        shape.NoParams,
        models.ProviderList,
        "The catalogue of providers: where each is, what it needs and can do, and whether it can be used now.",
    ),
    Method(
        "llm:models:list",
        models.ModelListParams,
        models.ModelList,
        "The models of a profile, a provider or a service, asked for now, with their prices where known.",
        (
            "SERVICE_NOT_FOUND",
            *ROUTE_ERRORS,
            "NETWORK_ERROR",
            "AUTH_ERROR",
            "RATE_LIMIT",
            "INSUFFICIENT_QUOTA",
            "INVALID_REQUEST",
            "INVALID_MODEL",
            "SERVER_ERROR",
            "PROVIDER_OVERLOADED",
            "STREAM_TRUNCATED",
            "PROVIDER_PROTOCOL_ERROR",
            "TIMEOUT",
        ),
    ),
    Method(
        "llm:session:create",
        session.SessionConfig,
        session.SessionInfo,
        "Begin a conversation that is kept.",
        ("SESSION_EXISTS", "SESSION_LIMIT", "PROFILE_NOT_FOUND", "INVALID_PROVIDER", *STORE_ERRORS),
    ),
    Method(
        "llm:session:run",
        session.SessionRunParams,
        inference.InferenceAccepted,
        "Answer this turn's new messages. Events as of `llm:inference`, with the session's id; the turn is kept when "
        "its `llm:done` comes.",
        (
            "SESSION_NOT_FOUND",
            "SESSION_BUSY",
            "SESSION_LIMIT",
            "CONTEXT_LENGTH_EXCEEDED",
            *ADMISSION_ERRORS,
            *STORE_ERRORS,
        ),
        leads_to=_ANSWER,
    ),
    Method(
        "llm:session:destroy",
        session.SessionParams,
        inference.Success,
        "Delete a session and what was said in it; cancels its running answer.",
        STORE_ERRORS,
        leads_to=("llm:done",),
    ),
    Method(
        "llm:session:list",
        session.SessionListParams,
        session.SessionList,
        "The sessions, active or not, by their last activity.",
        READ_ERRORS,
    ),
    Method(
        "llm:session:get",
        session.SessionParams,
        session.SessionInfo,
        "One session.",
        ("SESSION_NOT_FOUND", *READ_ERRORS),
    ),
    Method(
        "llm:session:history",
        session.SessionHistoryParams,
        session.SessionHistory,
        "What was said in a session.",
        ("SESSION_NOT_FOUND", *READ_ERRORS),
    ),
    Method(
        "llm:session:fork",
        session.SessionForkParams,
        session.SessionInfo,
        "A new session with what was said so far, or up to a message.",
        ("SESSION_NOT_FOUND", "SESSION_EXISTS", "SESSION_LIMIT", *STORE_ERRORS),
    ),
    Method(
        "llm:profiles:list",
        shape.NoParams,
        profile.ProfileList,
        "The stored connections. Never a key.",
        READ_ERRORS,
    ),
    Method(
        "llm:profiles:create",
        profile.CreateProfileParams,
        profile.StoredProfile,
        "Store a connection; its key goes into the vault.",
        (*VAULT_ERRORS, *STORE_ERRORS),
    ),
    Method(
        "llm:profiles:update",
        profile.UpdateProfileParams,
        profile.StoredProfile,
        "Change a connection. Another origin drops its key, unless a new one comes with it.",
        ("PROFILE_NOT_FOUND", *VAULT_ERRORS, *STORE_ERRORS),
    ),
    Method(
        "llm:profiles:delete",
        profile.DeleteProfileParams,
        profile.DeletedProfile,
        "Delete a connection and its key.",
        ("PROFILE_NOT_FOUND", "ALTERNATE_NOT_FOUND", *VAULT_ERRORS, *STORE_ERRORS),
    ),
    Method(
        "llm:profiles:activate",
        profile.ProfileParams,
        profile.ActivatedProfile,
        "Make a connection the one that is used where none is named.",
        ("PROFILE_NOT_FOUND", *STORE_ERRORS),
    ),
    Method(
        "llm:profiles:test",
        profile.TestPromptParams,
        profile.TestPromptResult,
        "Send a test prompt; what goes wrong at the provider is told in the result. At most 10 a minute, 10 s each.",
        ("PROFILE_NOT_FOUND", "NO_ACTIVE_PROFILE", "RATE_LIMIT", *READ_ERRORS),
    ),
    Method(
        "llm:profiles:discover",
        profile.DiscoverParams,
        profile.Discovery,
        "Look for model servers on this machine, and make a profile for the first one found.",
        ("DISCOVERY_ERROR", *STORE_ERRORS),
    ),
    Method(
        "llm:vault:unlock",
        profile.UnlockVaultParams,
        profile.VaultStatus,
        "Give the vault its key.",
        (*VAULT_ERRORS, "STORAGE_WRITE_ERROR"),
    ),
    Method(
        "llm:vault:rotate",
        profile.RotateVaultParams,
        profile.VaultStatus,
        "Put the vault under a new key, in two phases, or its records under a new data key.",
        (*VAULT_ERRORS, "STORAGE_WRITE_ERROR"),
    ),
    Method("llm:vault:status", shape.NoParams, profile.VaultStatus, "The state of the vault."),
    Method(
        "llm:job:submit",
        job.SubmitJobParams,
        job.JobAccepted,
        "Hand over work that survives the process.",
        ("JOB_EXISTS", "SERVICE_NOT_FOUND", *ROUTE_ERRORS, *STORE_ERRORS),
        leads_to=_JOB,
    ),
    Method("llm:job:get", job.JobParams, job.JobInfo, "One job.", ("JOB_NOT_FOUND", *READ_ERRORS)),
    Method("llm:job:list", job.JobListParams, job.JobList, "The jobs, newest first.", READ_ERRORS),
    Method(
        "llm:job:cancel",
        job.JobParams,
        inference.Success,
        "Cancel a job, queued or running.",
        ("JOB_NOT_FOUND", *STORE_ERRORS),
        leads_to=("llm:job:done",),
    ),
    Method(
        "llm:job:result",
        job.JobResultParams,
        job.JobResult,
        "What came of a job.",
        ("JOB_NOT_FOUND", *READ_ERRORS),
    ),
    Method(
        "llm:usage:summary",
        usage.UsageSummaryParams,
        usage.UsageSummary,
        "Tokens, cost, requests and latency, grouped as asked.",
        READ_ERRORS,
    ),
    Method("llm:usage:list", usage.UsageListParams, usage.UsageList, "The inferences, newest first.", READ_ERRORS),
    Method(
        "llm:budget:set",
        usage.SetBudgetParams,
        usage.BudgetList,
        "Set or remove a limit to what inferences may cost.",
        ("PROFILE_NOT_FOUND", *STORE_ERRORS),
    ),
    Method("llm:budget:get", shape.NoParams, usage.BudgetList, "The budgets and what is left of them.", READ_ERRORS),
    Method("llm:audit:list", usage.AuditListParams, usage.AuditList, "Security events, newest first.", READ_ERRORS),
)

_NOTIFICATIONS: Final = (
    Notification("llm:thinking", events.ThinkingEvent, "A change of state, or a piece of the model's reasoning."),
    Notification("llm:token", events.TokenEvent, "A piece of the answer's text."),
    Notification("llm:tool-call", events.ToolCallEvent, "A piece of a tool call."),
    Notification("llm:progress", events.ProgressEvent, "How far a long operation has come."),
    Notification("llm:done", events.DoneEvent, "The end of an answer."),
    Notification("llm:error", events.ErrorEvent, "The end of an answer that failed."),
    Notification("llm:chat:chunk", chat.ChatChunkEvent, "A piece of a chat completion."),
    Notification("llm:job:progress", job.JobProgressEvent, "A job changed its state, or came further."),
    Notification("llm:job:done", job.JobDoneEvent, "A job is done, or was cancelled."),
    Notification("llm:job:error", job.JobErrorEvent, "A job failed, or was interrupted."),
)

METHODS: Final[dict[str, Method]] = {method.name: method for method in _METHODS}
NOTIFICATIONS: Final[dict[str, Notification]] = {item.name: item for item in _NOTIFICATIONS}
EVENT_NAMES: Final[dict[type[Any], str]] = {item.params: item.name for item in _NOTIFICATIONS}
"""The notification that carries each event type."""
