import { describe, expect, test } from "vitest";

import {
  apply,
  compose,
  invert,
  TEMPLATE,
  TEMPLATE_SIZE,
  type Similarity,
  type Size,
} from "../src/align";
import type { Face } from "../src/detect";
import { isWithin, PERIOD, SIDE } from "../src/follow";
import { Tracker } from "../src/track";
import { face as grey } from "./face";

const FRAME = 50; // milliseconds

/** Where a face of the test's picture is: from its square of SIDE pixels to the photo. */
type Pose = Similarity;

function pose(x: number, y: number, degrees = 0, zoom = 3): Pose {
  const turn = (degrees * Math.PI) / 180;
  const about = { a: zoom * Math.cos(turn), b: zoom * Math.sin(turn), dx: x, dy: y };
  return compose(about, { a: 1, b: 0, dx: -SIDE / 2, dy: -SIDE / 2 });
}

function faceAt(pose: Pose): Face {
  const at = ({ x, y }: { x: number; y: number }) =>
    apply(pose, { x: (x * SIDE) / TEMPLATE_SIZE, y: (y * SIDE) / TEMPLATE_SIZE });
  return {
    score: 1,
    extent: (Math.hypot(pose.a, pose.b) * SIDE) / 2,
    centre: apply(pose, { x: SIDE / 2, y: SIDE / 2 }),
    leftEye: at(TEMPLATE.leftEye),
    rightEye: at(TEMPLATE.rightEye),
    mouth: at(TEMPLATE.mouth),
  };
}

/** A picture of faces, which counts how often it is looked at. */
class Scene {
  searches = 0;
  /** Faces that the last search need not have found again. */
  known = 0;
  measures = 0;
  constructor(
    public poses: Pose[],
    private size: Size = { width: 640, height: 480 },
  ) {}

  shows(view: Similarity): boolean {
    return isWithin(this.size, view);
  }

  async search(known: Face[]): Promise<Face[]> {
    this.searches++;
    this.known = known.length;
    return this.poses.map(faceAt);
  }

  async measure(about: Face): Promise<Face | undefined> {
    this.measures++;
    const far = ({ centre }: Face) =>
      Math.hypot(centre.x - about.centre.x, centre.y - about.centre.y);
    const [nearest] = this.poses.map(faceAt).sort((p, q) => far(p) - far(q));
    return nearest && far(nearest) < about.extent ? nearest : undefined;
  }

  read(view: Similarity): Float32Array {
    const toPhoto = invert(view);
    const back = this.poses.map(invert);
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
      const p = apply(toPhoto, { x: i % SIDE, y: Math.floor(i / SIDE) });
      if (!(p.x >= 0 && p.y >= 0 && p.x < this.size.width && p.y < this.size.height)) return 0;
      const inside = back
        .map((each) => apply(each, p))
        .find(({ x, y }) => x >= 0 && y >= 0 && x < SIDE && y < SIDE);
      return inside ? grey(inside.x, inside.y) : 60 * Math.sin(p.x / 7) * Math.cos(p.y / 5);
    });
  }
}

function miss(found: Face, truth: Face): number {
  return Math.max(
    ...(["leftEye", "rightEye", "mouth"] as const).map((name) =>
      Math.hypot(found[name].x - truth[name].x, found[name].y - truth[name].y),
    ),
  );
}

describe("tracking", () => {
  test("a moving head is followed, and looked for only twice a period", async () => {
    const tracker = new Tracker();
    const scene = new Scene([]);
    for (let i = 0; i < 2 * PERIOD; i++) {
      scene.poses = [pose(200 + 6 * i, 180 + 3 * i, i)];
      const [track] = await tracker.next(scene, i * FRAME);
      expect(miss(track.face, faceAt(scene.poses[0]))).toBeLessThan(1); // of 42 between the eyes
      expect(track.measured).toBe(i === 0 || i % PERIOD === PERIOD / 2);
    }
    expect(scene.searches).toBe(2);
    expect(scene.known).toBe(1);
    expect(scene.measures).toBe(2);
  });

  test("a face that comes in at the edge is measured until the picture shows enough of it", async () => {
    const tracker = new Tracker();
    const scene = new Scene([]);
    const measured: boolean[] = [];
    for (let i = 0; i < PERIOD - 1; i++) {
      scene.poses = [pose(20 + 8 * i, 200)];
      const [track] = await tracker.next(scene, i * FRAME);
      expect(miss(track.face, faceAt(scene.poses[0])), `frame ${i}`).toBeLessThan(1);
      measured.push(track.measured);
    }
    expect(measured.indexOf(false)).toBeGreaterThan(3);
  });

  test("what no longer looks like the face is measured, and let go if it is gone", async () => {
    const tracker = new Tracker();
    const scene = new Scene([pose(200, 200)]);
    expect(await tracker.next(scene, 0)).toHaveLength(1);
    scene.poses = [];
    expect(await tracker.next(scene, FRAME)).toHaveLength(0);
    expect(scene.measures).toBe(1);
    // With nobody to follow, every frame is searched.
    scene.poses = [pose(300, 150)];
    expect(await tracker.next(scene, 2 * FRAME)).toHaveLength(1);
  });

  test("two tracks that end on one face become one", async () => {
    const tracker = new Tracker();
    const scene = new Scene([pose(200, 200), pose(420, 200)]);
    expect(await tracker.next(scene, 0)).toHaveLength(2);
    scene.poses = [pose(310, 200, 0, 5)];
    scene.measure = async () => faceAt(scene.poses[0]);
    expect(await tracker.next(scene, FRAME)).toHaveLength(1);
  });

  test("who comes later is found within a period, and who was there stays", async () => {
    const tracker = new Tracker();
    const scene = new Scene([pose(200, 200)]);
    const [first] = await tracker.next(scene, 0);
    scene.poses.push(pose(420, 200));
    for (let i = 1; i < PERIOD; i++) expect(await tracker.next(scene, i * FRAME)).toHaveLength(1);
    const both = await tracker.next(scene, PERIOD * FRAME);
    expect(both).toHaveLength(2);
    expect(both).toContain(first);
  });

  test("the largest face comes first", async () => {
    const small = pose(120, 150, 0, 1.5);
    const large = pose(420, 200, 0, 4);
    const tracks = await new Tracker().next(new Scene([small, large]), 0);
    expect(tracks.map(({ face }) => face.extent)).toEqual([large, small].map((p) => faceAt(p).extent));
  });
});
