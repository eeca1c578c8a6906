import { useEffect, useRef } from "react";

import type { Problem, ProblemCode } from "../problems";

/** Problems that go away when the same thing is simply tried again. */
const RETRY: ProblemCode[] = ["models-missing", "model-broken", "offline", "no-backend", "crashed"];

interface Properties {
  problem: Problem;
  onRetry(): void;
}

export function Notice({ problem, onRetry }: Properties) {
  const box = useRef<HTMLDivElement>(null);
  // On a phone the button that led here may stand far below.
  useEffect(() => {
    box.current!.scrollIntoView({ block: "nearest" });
  }, [problem]);
  return (
    <div ref={box} className="notice" role="alert" data-problem={problem.code}>
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
