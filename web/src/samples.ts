/**
 * Faces to start with, of people who do not exist: helpers/drawn/faces.py drew them, at 256 pixels, from
 * the seeds 53, 12, 9 and 33.
 */
export const SAMPLES = [
  { address: "./samples/face-1.jpg", words: "Drawn face 1" },
  { address: "./samples/face-2.jpg", words: "Drawn face 2, with glasses" },
  { address: "./samples/face-3.jpg", words: "Drawn face 3, with a hat" },
  { address: "./samples/face-4.jpg", words: "Drawn face 4" },
];
