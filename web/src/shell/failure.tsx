// A page that fails says so, and the others go on.

import { Bug } from "lucide-react";
import { Component, type ReactNode } from "react";
import { Code, Empty } from "../parts/frame";

interface Props {
  /** Another page is another try. */
  page: string;
  children: ReactNode;
}

export class Failure extends Component<Props, { failed: Error | null; page: string }> {
  override state = { failed: null as Error | null, page: this.props.page };

  static getDerivedStateFromError(failed: Error) {
    return { failed };
  }

  static getDerivedStateFromProps(props: Props, state: { page: string }) {
    return props.page === state.page ? null : { failed: null, page: props.page };
  }

  override render() {
    const { failed } = this.state;
    if (!failed) return this.props.children;
    return (
      <div className="page">
        <Empty icon={Bug} title="This page has failed">
          <p>That is a defect of the page; the server is not touched by it. Please report it with these words:</p>
          <Code>{String(failed)}</Code>
        </Empty>
      </div>
    );
  }
}
