import type { Problem, ProblemCode } from "../problems";

/** Problems that go away when the same thing is simply tried again. */
const RETRY: ProblemCode[] = ["models-missing", "model-broken", "offline", "no-backend", "crashed"];

interface Properties {
  problem: Problem;
  onRetry(): void;
}

export function Notice({ problem, onRetry }: Properties) {
  return (
    <div className="notice" role="alert" data-problem={problem.code}>
      <p className="title">{problem.title}</p>
      <p>{problem.advice}</p>
      {problem.detail && <p className="detail">{problem.detail}</p>}
      {RETRY.includes(problem.code) && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
