import { useEffect, useRef } from "react";

import type { Problem, ProblemCode } from "../problems";

/** Problems that go away when the same thing is simply tried again. */
const RETRY: ProblemCode[] = [
  "models-missing",
  "model-broken",
  "offline",
  "no-backend",
  "gpu-lost",
  "crashed",
];

interface Properties {
  problem: Problem;
  /** Nothing failed; there is just something that could be better. */
  hint?: boolean;
  onRetry?(): void;
}

export function Notice({ problem, hint = false, onRetry }: Properties) {
  const box = useRef<HTMLDivElement>(null);
  // On a phone the button that led here may stand far below.
  useEffect(() => {
    if (!hint) box.current!.scrollIntoView({ block: "nearest" });
  }, [problem, hint]);
  return (
    <div
      ref={box}
      className="notice"
      role={hint ? "note" : "alert"}
      data-problem={problem.code}
    >
      <p className="title">{problem.title}</p>
      <p>{problem.advice}</p>
      {problem.detail && <p className="detail">{problem.detail}</p>}
      {onRetry && RETRY.includes(problem.code) && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
