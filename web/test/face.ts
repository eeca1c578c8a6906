/** Something like a face: two dark eyes, a mouth, shaded from one side. */
export function face(x: number, y: number): number {
  const spot = (cx: number, cy: number, rx: number, ry: number) =>
    Math.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2);
  const eyes = spot(25, 33, 4, 2) + spot(38.5, 33, 4, 2) + 0.6 * spot(25, 28, 5, 1.5);
  return 150 + x - 90 * eyes - 70 * spot(32, 47, 6, 2) - 40 * spot(32, 40, 2, 5);
}
