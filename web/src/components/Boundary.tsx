import { Component, type ReactNode } from "react";

import { asProblem, type Problem } from "../problems";
import { Notice } from "./Notice";

/** A slip in the page's own code shows a message, where React would leave an empty page. */
export class Boundary extends Component<{ children: ReactNode }, { problem?: Problem }> {
  state: { problem?: Problem } = {};

  static getDerivedStateFromError(error: unknown) {
    return { problem: asProblem(error) };
  }

  render() {
    const { problem } = this.state;
    if (!problem) return this.props.children;
    return (
      <div className="page">
        <Notice problem={problem} onRetry={() => location.reload()} />
      </div>
    );
  }
}
