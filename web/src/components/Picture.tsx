import { useLayoutEffect, useRef, type ReactNode } from "react";

interface Properties {
  title: string;
  pixels?: ImageData;
  children: ReactNode;
}

/** One square of pixels with its title and a line of explanation. */
export function Picture({ title, pixels, children }: Properties) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const { current } = canvas;
    if (!current || !pixels) return;
    current.width = pixels.width;
    current.height = pixels.height;
    current.getContext("2d")!.putImageData(pixels, 0, 0);
  }, [pixels]);
  return (
    <figure>
      {pixels ? (
        <canvas ref={canvas} role="img" aria-label={title} />
      ) : (
        <div className="empty" aria-hidden="true" />
      )}
      <figcaption>
        <strong>{title}</strong>
        <span>{children}</span>
      </figcaption>
    </figure>
  );
}
