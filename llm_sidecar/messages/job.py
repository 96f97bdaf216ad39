"""Jobs: work that survives the process."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from llm_sidecar.messages.session import Cursor, PageSize
from llm_sidecar.messages.shape import Count, Params, Shape, WindowId

JobId = Annotated[str, Meta(min_length=1, max_length=100)]
JobKind = Literal["inference", "generate-text", "chat:completions", "batch"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


class SubmitJobParams(Params, kw_only=True):
    """`params` are those of the method the kind is named after; for `batch` see `BatchParams`. Their ids, windows,
    streams and `queue` are not heeded: a job's inference is the job's, and waits for its slot. Higher priorities run
    first; equal ones in their order.

    `ifInterrupted`: what becomes of it when the sidecar dies, or is shut down, while it runs: `fail` (it ends as
    `interrupted`; it may have been paid for) or `restart` (it is asked, and perhaps paid, again), whoever answers it.
    What waits goes on with the next process in any case, and so does a batch that its provider has: only where it was
    just being handed over to one that cannot be asked about that (Anthropic), this decides, too.

    `metadata` has at most 64 KiB of JSON."""

    kind: JobKind
    params: dict[str, Any]
    priority: Annotated[int, Meta(ge=-1_000, le=1_000)] = 0
    job_id: JobId | None = None
    if_interrupted: Literal["fail", "restart"] = "fail"
    window_id: WindowId | None = None
    """Its notifications are for this window; closing it does not end the job."""
    metadata: dict[str, Any] | None = None


class BatchRequest(Params, kw_only=True):
    """One request of a batch: the params of an `llm:inference`, and the host's own name for it."""

    custom_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, `_` or `-`")]
    request: dict[str, Any]


class BatchParams(Params, kw_only=True):
    """Many requests handed to the provider's batch endpoint (OpenAI, Anthropic: half price, within a day). Profile,
    provider and fallbacks are not a request's to say; OpenAI takes one model for the whole batch."""

    profile_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    provider_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    model_id: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    requests: Annotated[list[BatchRequest], Meta(min_length=1, max_length=50_000)]


class JobAccepted(Shape, kw_only=True):
    job_id: str


class JobParams(Params, kw_only=True):
    job_id: JobId


class JobListParams(Params, kw_only=True):
    """`limit` defaults to 50. Newest first. Metadata that does not fit one line is left out."""

    state: JobState | None = None
    kind: JobKind | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class JobProgress(Shape, kw_only=True):
    """`total` is left out where it is not known."""

    current: float
    total: float | None = None
    message: str | None = None


class JobError(Shape, kw_only=True):
    """Why a job failed: as `error.data`, with its message."""

    code: str
    message: str
    retryable: bool


class JobInfo(Shape, kw_only=True):
    """A job. Instants are epoch milliseconds, null until they have come. `attempts`: how often it began.

    `mayHaveBeenPaid`: it was sent to a provider that costs money, and nobody knows whether that was answered. It stays
    true of a job that was asked again, whatever came of that. The newest `maxFinishedJobs` are kept after their end."""

    job_id: str
    kind: JobKind
    state: JobState
    priority: int
    created_at: int
    started_at: int | None
    ended_at: int | None
    attempts: int
    progress: JobProgress | None = None
    error: JobError | None = None
    may_have_been_paid: bool = False
    window_id: str | None = None
    metadata: dict[str, Any] | None = None


class JobList(Shape, kw_only=True):
    jobs: list[JobInfo]
    next_cursor: str | None


class JobResultParams(Params, kw_only=True):
    """`cursor` and `limit` page the items of a batch."""

    job_id: JobId
    cursor: Cursor | None = None
    limit: PageSize | None = None


class BatchItem(Shape, kw_only=True):
    """What came of one request of a batch: `result` as the job kind `inference` has it, or `error`."""

    custom_id: str
    result: dict[str, Any] | None = None
    error: JobError | None = None


class JobResult(Shape, kw_only=True):
    """`result`: that of the method (`inference`: its `llm:done`, with `text`), left out until the job is done. An
    `inference` that failed or was cancelled has its terminal there, with what had come (`partialText`, `text`). A batch
    has `items` instead, in the order they came, also while it runs."""

    job_id: str
    state: JobState
    result: dict[str, Any] | None = None
    error: JobError | None = None
    items: list[BatchItem] | None = None
    next_cursor: str | None = None


class JobEvent(Shape, kw_only=True):
    """What all notifications of a job carry."""

    job_id: str
    kind: JobKind
    window_id: str | None = None


class JobProgressEvent(JobEvent, kw_only=True):
    """`llm:job:progress`: a change of state, or how far it has come."""

    state: JobState
    progress: JobProgress | None = None


class JobDoneEvent(JobEvent, kw_only=True):
    """`llm:job:done`: its result can be fetched. (`cancelled`: it was cancelled.)"""

    cancelled: bool = False
    items: Count | None = None
    """Of a batch: how many came."""


class JobErrorEvent(JobEvent, kw_only=True):
    """`llm:job:error`: it failed, or was interrupted."""

    error: JobError
    may_have_been_paid: bool = False
