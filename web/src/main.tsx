import { createRoot } from "react-dom/client";

import { Boundary } from "./components/Boundary";
import { Page } from "./Page";
import "./page.css";
import "./controls.css";
import "./result.css";
import "./narrow.css"; // last, since it changes what the others say

createRoot(document.getElementById("root")!).render(
  <Boundary>
    <Page />
  </Boundary>,
);
