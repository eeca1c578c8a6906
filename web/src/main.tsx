import { createRoot } from "react-dom/client";

import { Boundary } from "./components/Boundary";
import { Page } from "./Page";
import "./page.css";

createRoot(document.getElementById("root")!).render(
  <Boundary>
    <Page />
  </Boundary>,
);
