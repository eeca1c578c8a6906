import type { CSSProperties } from "react";

interface Properties {
  kinds: string[];
  /** The address of their pictures, side by side: the first shows what suits. */
  pictures?: string;
  /** "" for the kind that suits. */
  value: string;
  onChange(kind: string): void;
}

/** Which kind to add, chosen by its picture. */
export function Kinds({ kinds, pictures, value, onChange }: Properties) {
  const sprite = pictures && {
    "--pictures": `url("${pictures}")`,
    "--count": kinds.length + 1,
  };
  return (
    <fieldset className="switch kinds" style={sprite as CSSProperties}>
      <legend>Kind</legend>
      <div className="tiles">
        {["", ...kinds].map((kind, place) => (
          <label key={kind}>
            <input
              type="radio"
              name="kind"
              value={kind}
              checked={kind === value}
              onChange={() => onChange(kind)}
            />
            <span className="tile">
              {pictures && (
                <span
                  className="thumbnail"
                  style={{ "--place": place / kinds.length } as CSSProperties}
                />
              )}
              <span className="name">{kind.replaceAll("_", " ") || "as it suits"}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
